//! Skills: `skills.status`.

use claw_core::skill::{Installer, Report, Requirements, Source, Status};
use serde::Serialize;

/// The answer to `skills.status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SkillsStatus {
    /// Empty where it is not the caller's business.
    pub workspace_dir: String,
    /// Empty where it is not the caller's business.
    pub managed_skills_dir: String,
    pub agent_id: String,
    pub skills: Vec<SkillRow>,
}

/// One skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SkillRow {
    pub name: String,
    pub description: String,
    /// `openclaw-bundled`, `openclaw-managed` or `openclaw-workspace`.
    pub source: &'static str,
    pub bundled: bool,
    pub file_path: String,
    pub base_dir: String,
    pub skill_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    pub always: bool,
    pub disabled: bool,
    pub blocked_by_allowlist: bool,
    pub blocked_by_agent_filter: bool,
    pub eligible: bool,
    pub platform_incompatible: bool,
    pub model_visible: bool,
    pub user_invocable: bool,
    pub command_visible: bool,
    pub requirements: SkillNeeds,
    pub missing: SkillNeeds,
    pub config_checks: Vec<ConfigCheck>,
    pub install: Vec<SkillInstaller>,
}

/// What a skill needs, or lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SkillNeeds {
    pub bins: Vec<String>,
    pub any_bins: Vec<String>,
    pub env: Vec<String>,
    pub config: Vec<String>,
    pub os: Vec<String>,
}

/// Whether a key of the configuration is set as a skill needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ConfigCheck {
    pub path: String,
    pub satisfied: bool,
}

/// How what a skill needs could be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SkillInstaller {
    pub id: String,
    pub kind: String,
    pub label: String,
    pub bins: Vec<String>,
}

impl SkillsStatus {
    /// What an agent was taught.
    pub fn of(agent_id: String, report: Report) -> Self {
        // A folder that holds no skill has no place in the protocol.
        let Report { workspace_dir, managed_dir, skills, broken: _ } = report;
        let skills = skills.into_iter().map(SkillRow::from).collect();
        Self { workspace_dir, managed_skills_dir: managed_dir, agent_id, skills }
    }
}

impl From<Status> for SkillRow {
    fn from(status: Status) -> Self {
        let (eligible, model_visible) = (status.is_eligible(), status.is_offered());
        let Status {
            name,
            description,
            source,
            file_path,
            base_dir,
            key,
            emoji,
            homepage,
            license: _,
            primary_env,
            always,
            is_disabled,
            is_blocked,
            is_filtered,
            is_hidden: _,
            is_invocable,
            needs,
            missing,
            installers,
        } = status;
        let check = |path: &String| ConfigCheck { path: path.clone(), satisfied: !missing.config.contains(path) };
        Self {
            name,
            description,
            source: match source {
                Source::Bundled => "openclaw-bundled",
                Source::Managed => "openclaw-managed",
                Source::Workspace => "openclaw-workspace",
            },
            bundled: source == Source::Bundled,
            file_path,
            base_dir,
            skill_key: key,
            primary_env,
            emoji,
            homepage,
            always,
            disabled: is_disabled,
            blocked_by_allowlist: is_blocked,
            blocked_by_agent_filter: is_filtered,
            eligible,
            platform_incompatible: !missing.os.is_empty(),
            model_visible,
            user_invocable: is_invocable,
            // No door here has commands yet.
            command_visible: false,
            config_checks: needs.config.iter().map(check).collect(),
            requirements: needs.into(),
            missing: missing.into(),
            install: installers.into_iter().map(SkillInstaller::from).collect(),
        }
    }
}

impl From<Requirements> for SkillNeeds {
    fn from(Requirements { bins, any_bins, env, config, os }: Requirements) -> Self {
        Self { bins, any_bins, env, config, os }
    }
}

impl From<Installer> for SkillInstaller {
    fn from(Installer { id, kind, label, bins }: Installer) -> Self {
        Self { id, kind, label, bins }
    }
}
