//! Edges between our crates go down, and some crates know even less than their floor allows.
//!
//! The table is the picture in ARCHITECTURE.md. Crates on one floor never see each other;
//! `claw-testkit` serves tests only; `bench` and `xtask` stand beside the house.

use super::Finding;
use super::house::{House, Kind, Member};

/// Every crate of the house with its floor.
const FLOORS: &[(&str, u8)] = &[
    ("claw-core", 0),
    ("claw-runtime", 1),
    ("claw-wire", 1),
    ("claw-net", 1),
    ("claw-browser", 1),
    ("claw-store", 2),
    ("claw-queue", 2),
    ("claw-providers", 2),
    ("claw-embedded", 2),
    ("claw-tools", 2),
    ("claw-skills", 2),
    ("claw-channels", 2),
    ("claw-agent", 3),
    ("claw-app", 4),
    ("claw-gateway", 5),
    ("openclaw", 6),
];

/// Crates that may know only these of ours, whatever their floor would allow.
const KNOWS: &[(&str, &[&str])] = &[
    ("claw-agent", &["claw-core", "claw-runtime", "claw-store"]),
    ("claw-app", &["claw-core", "claw-runtime", "claw-store", "claw-queue", "claw-agent"]),
    ("claw-gateway", &["claw-core", "claw-runtime", "claw-wire", "claw-app"]),
];

/// Crates without a floor: nobody may depend on them, except on the kit for tests.
const BESIDE: &[&str] = &["bench", "xtask", TESTKIT];

const TESTKIT: &str = "claw-testkit";

/// Checks every edge between two crates of the workspace.
pub(super) fn check(house: &House) -> Vec<Finding> {
    let ours: Vec<&str> = house.members.iter().map(|member| member.name.as_str()).collect();
    let mut findings = Vec::new();
    for member in &house.members {
        let place = format!("{}/Cargo.toml", member.dir);
        if floor(&member.name).is_none() && !BESIDE.contains(&member.name.as_str()) {
            let text = "has no floor: give it one in xtask/src/tidy/floors.rs and ARCHITECTURE.md";
            findings.push(Finding::new(&place, format!("{} {text}", member.name)));
        }
        for dependency in &member.dependencies {
            let name = dependency.name.as_str();
            if ours.contains(&name) {
                let breach = edge(member, name, dependency.kind);
                findings.extend(breach.map(|text| Finding::new(&place, text)));
            }
        }
    }
    findings
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

/// Says what is wrong with the edge, if anything is.
fn edge(from: &Member, to: &str, kind: Kind) -> Option<String> {
    let from = from.name.as_str();
    if BESIDE.contains(&to) {
        return (to != TESTKIT || kind != Kind::Dev)
            .then(|| format!("{from} depends on {to}, which may only serve tests (dev-dependency of the testkit)"));
    }
    let (above, below) = (floor(from)?, floor(to)?);
    if above <= below {
        return Some(format!(
            "{from} (floor {above}) depends on {to} (floor {below}): an edge only goes down, never along a floor; meet through a port in claw-core"
        ));
    }
    let (_, knows) = KNOWS.iter().find(|(name, _)| *name == from)?;
    // Tests may build the real thing behind a port; the crate itself may not.
    (kind != Kind::Dev && !knows.contains(&to))
        .then(|| format!("{from} depends on {to}: it may know only {}", knows.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::house::made_up::member;
    use super::*;

    fn findings(members: Vec<Member>) -> Vec<String> {
        let house = House { members, ..House::default() };
        check(&house).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_edge_down_is_fine() {
        let members = vec![
            member("claw-core", &[]),
            member("claw-store", &[("claw-core", Kind::Normal)]),
            member("claw-agent", &[("claw-store", Kind::Normal), ("tokio", Kind::Normal)]),
        ];
        assert_eq!(findings(members), [""; 0]);
    }

    #[test]
    fn an_edge_up_and_an_edge_along_are_breaches() {
        let members = vec![
            member("claw-queue", &[]),
            member("claw-store", &[("claw-queue", Kind::Normal), ("claw-app", Kind::Dev)]),
            member("claw-app", &[]),
        ];
        let found = findings(members);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|line| line.starts_with("crates/claw-store/Cargo.toml: ")));
    }

    #[test]
    fn the_gateway_does_not_know_the_store() {
        let members = vec![member("claw-store", &[]), member("claw-gateway", &[("claw-store", Kind::Normal)])];
        let found = findings(members);
        assert_eq!(
            found,
            [
                "crates/claw-gateway/Cargo.toml: claw-gateway depends on claw-store: it may know only claw-core, claw-runtime, claw-wire, claw-app"
            ]
        );
    }

    #[test]
    fn the_testkit_serves_tests_only() {
        let kit = || member("claw-testkit", &[]);
        assert_eq!(findings(vec![kit(), member("claw-app", &[("claw-testkit", Kind::Dev)])]), [""; 0]);
        assert_eq!(findings(vec![kit(), member("claw-app", &[("claw-testkit", Kind::Normal)])]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_floor_is_named() {
        assert_eq!(findings(vec![member("claw-cellar", &[])]).len(), 1);
    }
}
