//! Dependencies nobody uses: in the workspace's list, and in each crate.
//!
//! A crate uses a dependency when a Rust file in its folder names it. One that is there
//! for its feature or its linker flag alone is listed, with the reason beside it, in the
//! manifest under `[package.metadata.cargo-machete] ignored`.

use super::Finding;
use super::house::{House, Member};

/// Checks the workspace's manifest and every crate's.
pub(super) fn check(house: &House) -> Vec<Finding> {
    let manifest = house.file("Cargo.toml").and_then(|file| file.text.as_deref()).unwrap_or_default();
    let unwanted = workspace_dependencies(manifest).filter(|(_, name)| {
        !house.members.iter().any(|member| member.dependencies.iter().any(|used| used.name == *name))
    });
    let unwanted = unwanted.map(|(line, name)| {
        Finding::at("Cargo.toml", line, format!("no crate depends on {name}: remove it from [workspace.dependencies]"))
    });
    unwanted.chain(house.members.iter().flat_map(|member| unnamed(house, member))).collect()
}

/// The keys of `[workspace.dependencies]` with the index of their line.
fn workspace_dependencies(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    manifest
        .lines()
        .enumerate()
        .skip_while(|(_, line)| line.trim() != "[workspace.dependencies]")
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['))
        .filter(|(_, line)| !line.trim_start().starts_with('#'))
        .filter_map(|(index, line)| line.split_once('=').map(|(name, _)| (index, name.trim())))
}

fn unnamed(house: &House, member: &Member) -> Vec<Finding> {
    let folder = format!("{}/", member.dir);
    let sources: Vec<_> =
        house.rust().filter(|(file, _)| file.path.starts_with(&folder)).map(|(_, source)| source).collect();
    let place = format!("{}/Cargo.toml", member.dir);
    member
        .dependencies
        .iter()
        .filter(|dependency| !member.silent.contains(&dependency.name))
        .filter(|dependency| {
            let name = dependency.name.replace('-', "_");
            !sources.iter().any(|source| source.names(&name))
        })
        .map(|dependency| Finding::new(&place, format!("no line names {}: remove the dependency", dependency.name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::house::Kind;
    use super::super::house::made_up::{files, member};
    use super::*;

    fn places(house: &House) -> Vec<String> {
        check(house).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn a_listed_dependency_without_a_crate_is_found() {
        let manifest = "[workspace.dependencies]\n# Why.\nhex = \"0.4\"\nurl = \"2\"\n\n[profile.dev]\ndebug = 1\n";
        let mut house = files(&[("Cargo.toml", manifest), ("crates/a/src/lib.rs", "use hex;")]);
        house.members.push(member("a", &[("hex", Kind::Normal)]));
        assert_eq!(places(&house), ["Cargo.toml:4"]);
    }

    #[test]
    fn a_dependency_no_line_names_is_found_unless_it_says_why() {
        let mut house = files(&[("crates/a/src/lib.rs", "// tokio_util\nuse tokio::time;")]);
        house.members.push(member("a", &[("tokio", Kind::Normal), ("tokio-util", Kind::Dev)]));
        assert_eq!(places(&house), ["crates/a/Cargo.toml"]);
        for member in &mut house.members {
            member.silent.push("tokio-util".to_owned());
        }
        assert_eq!(places(&house), [""; 0]);
    }
}
