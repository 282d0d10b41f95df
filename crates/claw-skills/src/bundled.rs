//! The skills of this program, part of it.

/// Every file of `skills/`, by the skill's name and the path inside it.
pub(crate) const FILES: &[(&str, &str, &str)] = &[
    ("csv-analysis", "SKILL.md", include_str!("../../../skills/csv-analysis/SKILL.md")),
    ("csv-analysis", "references/recipes.md", include_str!("../../../skills/csv-analysis/references/recipes.md")),
    ("git", "SKILL.md", include_str!("../../../skills/git/SKILL.md")),
    ("git", "references/rescue.md", include_str!("../../../skills/git/references/rescue.md")),
    ("summarise", "SKILL.md", include_str!("../../../skills/summarise/SKILL.md")),
    ("translation", "SKILL.md", include_str!("../../../skills/translation/SKILL.md")),
    ("web-research", "SKILL.md", include_str!("../../../skills/web-research/SKILL.md")),
];

/// The names of the skills, once each.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter(|(_, path, _)| *path == crate::manifest::FILE).map(|(name, _, _)| *name)
}

/// The files of one skill.
pub(crate) fn files(name: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().filter(move |(of, _, _)| *of == name).map(|(_, path, text)| (*path, *text))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::contents::Contents;
    use crate::manifest;
    use crate::scan::SCANNER;

    #[test]
    fn every_file_of_the_folder_is_part_of_the_program() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../skills");
        let mut there = Vec::new();
        for entry in std::fs::read_dir(&root).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let contents = crate::folder::gather(&entry.path()).unwrap();
            there.extend(contents.iter().map(|(path, _)| (name.clone(), path.to_owned())));
        }
        there.sort();
        let known: Vec<_> = FILES.iter().map(|(name, path, _)| ((*name).to_owned(), (*path).to_owned())).collect();
        assert_eq!(there, known);
    }

    #[test]
    fn our_own_skills_are_whole_and_pass_the_scan() {
        for name in names() {
            let files: Vec<_> = files(name).collect();
            let text = files.iter().find(|(path, _)| *path == manifest::FILE).unwrap().1;
            let parsed = manifest::parse(text.as_bytes()).unwrap();
            assert_eq!(parsed.name, name);
            let found = SCANNER.scan(&Contents::of(&files), Duration::from_secs(10)).unwrap();
            assert_eq!(found, [], "{name}");
        }
    }
}
