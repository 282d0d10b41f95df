//! Skills: `skills.status`, `skills.update`.

use claw_core::skill::{Installer, Report, Requirements, Source, Status};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::BadRequest;

/// Parameters of `skills.update`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SkillsUpdateParams {
    pub skill_key: Option<String>,
    pub enabled: Option<bool>,
    /// Stock's; secrets of skills are set on the machine itself.
    pub api_key: Option<Value>,
    /// Stock's; variables of skills are set on the machine itself.
    pub env: Option<Value>,
}

impl SkillsUpdateParams {
    /// Which skill is to be turned on or off.
    ///
    /// # Errors
    /// Something is missing, or cannot be kept.
    pub fn meaning(self) -> Result<(String, bool), BadRequest> {
        let Self { skill_key, enabled, api_key, env } = self;
        for (field, value) in [("apiKey", api_key), ("env", env)] {
            if value.is_some() {
                let place = format!("`openclaw config set skills.entries.<skill>.{field} …`");
                return Err(BadRequest::of(
                    field,
                    format!("{field} is given to commands: set it on the machine itself, with {place}"),
                ));
            }
        }
        let key = skill_key.filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| BadRequest::of("skillKey", "skillKey is missing".to_owned()))?;
        let enabled = enabled.ok_or_else(|| BadRequest::of("enabled", "enabled must be true or false".to_owned()))?;
        Ok((key, enabled))
    }
}

/// The answer to `skills.update`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SkillUpdated {
    pub ok: bool,
    pub skill_key: String,
    pub config: SkillSetting,
}

/// What is said of a skill now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct SkillSetting {
    pub enabled: bool,
}

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
    /// Ours: it was installed or pinned, and is not that any more.
    pub changed_since_install: bool,
    /// Ours: it lies in a workspace or among the installed ones, and nobody has said that it is right.
    pub unpinned: bool,
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
            is_changed,
            is_unpinned,
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
            changed_since_install: is_changed,
            unpinned: is_unpinned,
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
