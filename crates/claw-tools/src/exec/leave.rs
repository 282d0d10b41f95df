//! Leave to run, which a new configuration may take back while a command runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use claw_core::tool::ToolContext;
use claw_core::turn::Origin;
use claw_core::{AgentId, PrincipalId};
use tokio::sync::watch;

use super::rules::{Settings, judge};
use crate::sandbox::Walls;

/// A command that runs: whose it is, and what it was started as.
#[derive(Debug, Clone)]
pub struct Started {
    /// The agent that started it.
    pub agent: AgentId,
    /// On whose behalf.
    pub principal: PrincipalId,
    /// How the turn came here.
    pub origin: Origin,
    command: String,
    env: BTreeMap<String, String>,
    settings: Settings,
}

impl Started {
    pub(super) fn new(
        context: &ToolContext,
        command: &str,
        env: BTreeMap<String, String>,
        settings: &Settings,
    ) -> Self {
        Self {
            agent: context.agent.clone(),
            principal: context.principal.id.clone(),
            origin: context.run.origin.clone(),
            command: command.to_owned(),
            env,
            settings: settings.clone(),
        }
    }

    /// Whether it could still be started, perhaps after somebody has said so, and is held as tightly as under these
    /// settings.
    pub fn may_go_on(&self, settings: &Settings) -> bool {
        let Self { command, env, settings: old, .. } = self;
        let is_in_a_box = old.launcher.as_ref().is_some_and(|old| old.walls == Walls::Whole);
        let needs_a_box = settings.launcher.as_ref().is_some_and(|new| new.walls == Walls::Whole);
        settings.permits_any()
            && judge(settings, command, env).is_ok()
            && (settings.network || !old.network)
            && (is_in_a_box || !needs_a_box)
    }
}

/// Says whether a command may run.
type Rule = Arc<dyn Fn(&Started) -> bool + Send + Sync>;

/// Who may run what, as of now. Clones share it.
#[derive(Clone)]
pub(super) struct Leave(Arc<watch::Sender<Rule>>);

impl Default for Leave {
    fn default() -> Self {
        let always: Rule = Arc::new(|_: &Started| true);
        Self(Arc::new(watch::channel(always).0))
    }
}

impl Leave {
    pub(super) fn change(&self, rule: impl Fn(&Started) -> bool + Send + Sync + 'static) {
        self.0.send_replace(Arc::new(rule));
    }

    pub(super) fn is_given(&self, started: &Started) -> bool {
        let rule = Arc::clone(&self.0.borrow());
        rule(started)
    }

    /// Waits until it is taken back. Cancel-safe.
    pub(super) async fn taken_back(&self, started: &Started) {
        let mut rules = self.0.subscribe();
        loop {
            let rule = Arc::clone(&rules.borrow_and_update());
            if !rule(started) {
                return;
            }
            // Whoever changes it is held here, so there is always another one to wait for.
            let _changed = rules.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::{Ask, Launcher, Security};
    use super::*;
    use crate::limits::{TIMEOUT_DEFAULT, TIMEOUT_MAX};

    fn settings(security: Security) -> Settings {
        let launcher = Launcher { program: "/x".into(), argument: None, walls: Walls::Whole };
        Settings {
            security,
            allowlist: vec![vec!["echo".into(), "...".into()]],
            ask: Ask::Off,
            network: false,
            memory_bytes: 1,
            timeout: TIMEOUT_DEFAULT,
            timeout_max: TIMEOUT_MAX,
            launcher: Some(launcher),
        }
    }

    #[test]
    fn what_could_not_be_started_so_any_more_may_not_go_on() {
        let full = || settings(Security::Full);
        let started = |command: &str, settings| Started {
            agent: AgentId::main(),
            principal: PrincipalId::operator(),
            origin: Origin::default(),
            command: command.into(),
            env: BTreeMap::new(),
            settings,
        };
        let free = Settings { network: true, ..full() };
        let bare = Settings { launcher: None, ..full() };
        let listed = || settings(Security::Allowlist);
        let table = [
            ("sleep 9; true", full(), full(), true),
            ("sleep 9; true", full(), settings(Security::Deny), false),
            ("sleep 9; true", full(), listed(), false),
            ("sleep 9; true", full(), Settings { ask: Ask::OnMiss, ..listed() }, true),
            ("echo a", full(), listed(), true),
            ("sleep 9", free.clone(), full(), false),
            ("sleep 9", full(), free, true),
            ("sleep 9", bare.clone(), full(), false),
            ("sleep 9", full(), bare, true),
        ];
        for (number, (command, old, new, expected)) in table.into_iter().enumerate() {
            let is_linux = cfg!(target_os = "linux");
            assert_eq!(started(command, old).may_go_on(&new), expected && is_linux, "{number}");
        }
    }
}
