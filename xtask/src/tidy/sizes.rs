//! No file outgrows its reader.
//!
//! A Rust file holds at most 500 lines of code, its inline tests module, comments and
//! blank lines not counted; a file under `tests/` is counted whole. Functions are clippy's
//! (`too_many_lines`). No file of any kind is larger than 800 kB.

use super::Finding;
use super::house::House;

const CODE_LINES_MAX: usize = 500;
const FILE_BYTES_MAX: u64 = 800_000;

/// Checks lines of code and bytes.
pub(super) fn check(house: &House) -> Vec<Finding> {
    let long = house.rust().filter_map(|(file, source)| {
        let lines = source.outside_tests().count();
        (lines > CODE_LINES_MAX).then(|| {
            let text = format!("{lines} lines of code, at most {CODE_LINES_MAX}: split it by subject");
            Finding::new(&file.path, text)
        })
    });
    let heavy = house.files.iter().filter(|file| file.size_bytes > FILE_BYTES_MAX).map(|file| {
        let text = format!("{} bytes, at most {FILE_BYTES_MAX}: it does not belong in git", file.size_bytes);
        Finding::new(&file.path, text)
    });
    long.chain(heavy).collect()
}

#[cfg(test)]
mod tests {
    use super::super::house::made_up::files;
    use super::*;

    #[test]
    fn comments_and_tests_do_not_count() {
        let code = "x();\n".repeat(500);
        let comments = "// why\n\n".repeat(300);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
        let house = files(&[("a.rs", &format!("{code}{comments}{tests}"))]);
        assert_eq!(check(&house), []);
    }

    #[test]
    fn one_line_too_many_is_a_breach() {
        let found = check(&files(&[("a.rs", &"x();\n".repeat(501)), ("a.txt", &"x();\n".repeat(501))]));
        assert_eq!(found, [Finding::new("a.rs", "501 lines of code, at most 500: split it by subject")]);
    }

    #[test]
    fn a_heavy_file_is_a_breach() {
        let found = check(&files(&[("model.bin", &"x".repeat(800_001))]));
        assert_eq!(found.len(), 1);
    }
}
