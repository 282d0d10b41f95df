//! What a skill needs, held against what there is.

use std::collections::BTreeSet;
use std::path::PathBuf;

use claw_core::skill::Requirements;

use crate::manifest::Manifest;

/// What there is here. Names only: no value of a variable or a key comes this far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The operating system, as skills call it: `linux`, `darwin`, `win32`.
    pub os: String,
    /// Where commands look for programs.
    pub path: Vec<PathBuf>,
    /// Variables of the environment that are set.
    pub env: BTreeSet<String>,
    /// Dotted keys of the configuration that are set and not false.
    pub config: BTreeSet<String>,
}

impl Surroundings {
    /// What skills call the system this program was built for.
    pub const fn system() -> &'static str {
        if cfg!(target_os = "macos") {
            "darwin"
        } else if cfg!(target_os = "windows") {
            "win32"
        } else {
            "linux"
        }
    }

    /// What of a skill's needs is missing; `env` are variables that are set for it alone.
    ///
    /// One that is to be there always needs nothing but its system.
    pub(crate) fn missing(&self, manifest: &Manifest, env: &BTreeSet<String>) -> Requirements {
        let Requirements { bins, any_bins, env: wanted, config, os } = &manifest.needs;
        let mut missing = Requirements::default();
        if !os.is_empty() && !os.contains(&self.os) {
            missing.os.clone_from(os);
        }
        if manifest.always {
            return missing;
        }
        missing.bins = bins.iter().filter(|name| !self.has_program(name)).cloned().collect();
        if !any_bins.is_empty() && !any_bins.iter().any(|name| self.has_program(name)) {
            missing.any_bins.clone_from(any_bins);
        }
        missing.env = wanted.iter().filter(|name| !self.env.contains(*name) && !env.contains(*name)).cloned().collect();
        missing.config = config.iter().filter(|key| !self.config.contains(*key)).cloned().collect();
        missing
    }

    fn has_program(&self, name: &str) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        self.path.iter().any(|folder| {
            let found = std::fs::metadata(folder.join(name));
            found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_missing_is_named_and_one_of_several_is_enough() {
        let directory = tempfile::tempdir().unwrap();
        for (name, mode) in [("there", 0o755), ("asleep", 0o644)] {
            let path = directory.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let here = Surroundings {
            os: "linux".into(),
            path: vec![directory.path().to_owned()],
            env: set(&["HOME"]),
            config: set(&["browser.enabled"]),
        };
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let needs = Requirements {
            bins: list(&["there", "asleep", "gone"]),
            any_bins: list(&["gone", "there"]),
            env: list(&["HOME", "OWN", "NONE"]),
            config: list(&["browser.enabled", "x.y"]),
            os: list(&["linux", "darwin"]),
        };
        let manifest = Manifest { needs, ..Manifest::default() };
        let missing = Requirements {
            bins: list(&["asleep", "gone"]),
            env: list(&["NONE"]),
            config: list(&["x.y"]),
            ..Requirements::default()
        };
        assert_eq!(here.missing(&manifest, &set(&["OWN"])), missing);

        let always = Manifest { always: true, ..manifest.clone() };
        assert_eq!(here.missing(&always, &set(&[])), Requirements::default());
        let elsewhere = Surroundings { os: "win32".into(), ..here.clone() };
        let os = Requirements { os: list(&["linux", "darwin"]), ..Requirements::default() };
        assert_eq!(elsewhere.missing(&always, &set(&[])), os);
        let none = Requirements { any_bins: list(&["a", "b"]), ..Requirements::default() };
        let manifest = Manifest { needs: none.clone(), ..Manifest::default() };
        assert_eq!(here.missing(&manifest, &set(&[])), none);
    }
}
