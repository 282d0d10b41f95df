//! Where agents work and where the gateway keeps its own files are two places.
//!
//! Agents write in their workspaces whatever they like: with the configuration, the database or the installed skills
//! among it they would rewrite their own rules. So such a workspace is refused, and not only warned of.

use std::path::{Component, Path, PathBuf};

use super::file::Agents;
use super::problem::{Cause, Problem};
use super::settings::{Location, in_state, workspaces};
use crate::env::Environment;

/// What is wrong with where agents work.
pub(super) fn problems(agents: &Agents, location: &Location, environment: &Environment) -> Vec<Problem> {
    let found = workspaces(agents, location, |path| in_state(location, environment, path));
    let all = std::iter::once(&found.default).chain(found.agents.iter().map(|(_, path)| path));
    let mut told: Vec<&PathBuf> = Vec::new();
    for workspace in all.filter(|workspace| is_among_its_own(workspace, location)) {
        if !told.contains(&workspace) {
            told.push(workspace);
        }
    }
    let problem = |workspace: &PathBuf| Problem {
        path: vec!["agents".to_owned()],
        origin: None,
        cause: Cause::Other(format!(
            "the workspace {} holds files of the gateway itself, or lies among its skills: agents could rewrite their own rules; \
             name a directory apart from {}",
            workspace.display(),
            location.state_dir.display()
        )),
    };
    told.into_iter().map(problem).collect()
}

fn is_among_its_own(workspace: &Path, location: &Location) -> bool {
    let skills = location.state_dir.join("skills");
    let holds = |ours: &Path| real(ours).starts_with(real(workspace));
    let is_above = [&location.state_dir, &location.config_file, &skills].into_iter().any(|ours| holds(ours));
    is_above || real(workspace).starts_with(real(&skills))
}

/// Links followed as far as there is something.
fn real(path: &Path) -> PathBuf {
    let plain: PathBuf = path.components().collect();
    let mut missing = Vec::new();
    for above in plain.ancestors() {
        if let Ok(found) = above.canonicalize() {
            return missing.into_iter().rev().fold(found, |path: PathBuf, part| match part {
                Component::ParentDir => path.parent().map_or_else(|| path.clone(), Path::to_owned),
                other => path.join(other),
            });
        }
        missing.extend(above.components().next_back());
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// adv 78: no agent works where its own rules lie, by whatever way it comes there.
    #[test]
    fn no_agent_works_among_the_files_of_the_gateway() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let location = Location { state_dir: root.join("state"), config_file: root.join("etc/openclaw.json") };
        // The installed skills may lie elsewhere, by a link.
        let dots = root.join("dots");
        std::fs::create_dir_all(dots.join("skills")).unwrap();
        std::fs::create_dir(&location.state_dir).unwrap();
        symlink(dots.join("skills"), location.state_dir.join("skills")).unwrap();
        symlink(root.join("state"), root.join("link")).unwrap();
        let [state, link] = ["state", "link"].map(|name| root.join(name).display().to_string());
        let (above, apart, etc) = (root.display().to_string(), root.join("apart"), root.join("etc"));
        let table = [
            (".", true),
            ("..", true),
            (&*state, true),
            (&*link, true),
            (&*above, true),
            ("/", true),
            ("skills", true),
            ("skills/mine", true),
            ("../dots", true),
            ("workspace", false),
            ("a/b/../c", false),
            ("a/b/../..", true),
            (apart.to_str().unwrap(), false),
            (etc.to_str().unwrap(), true),
            (dots.to_str().unwrap(), true),
        ];
        for (path, is_refused) in table {
            let mut agents = Agents::default();
            agents.defaults.workspace = Some(path.to_owned());
            let found = problems(&agents, &location, &Environment::of(&[]));
            assert_eq!(found.len(), usize::from(is_refused), "{path}: {found:?}");
        }
    }

    /// G11: a change that would not do writes nothing.
    #[test]
    fn such_a_workspace_is_not_even_written() {
        use crate::config::{edit, path};

        let directory = tempfile::tempdir().unwrap();
        let config_file = directory.path().join("openclaw.json");
        std::fs::write(&config_file, "{}\n").unwrap();
        let location = Location { state_dir: directory.path().to_owned(), config_file: config_file.clone() };
        let key = path::parse("agents.defaults.workspace").unwrap();
        for wrong in [".", "/", "skills/x"] {
            let refused = edit::set(&location, &key, wrong, &Environment::of(&[])).unwrap_err().to_string();
            assert!(refused.contains("name a directory apart from"), "{refused}");
        }
        assert_eq!(std::fs::read_to_string(&config_file).unwrap(), "{}\n");
        edit::set(&location, &key, "desk", &Environment::of(&[])).unwrap();
    }
}
