//! Which provider has which model, and which agents there are (K7, K11).

use std::sync::Arc;

use claw_core::AgentId;
use claw_core::provider::{ModelInfo, Provider};

/// An agent as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProfile {
    /// Its id.
    pub id: AgentId,
    /// A name for people.
    pub name: Option<String>,
    /// What every conversation with it begins with.
    pub system_prompt: Option<String>,
    /// `<provider>/<model>` it uses unless told otherwise.
    pub model: Option<String>,
}

/// No configured provider has the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownModel {
    /// A model was named that nobody has.
    #[error("no configured provider has the model {model:?}; known: {known}")]
    Named {
        /// What was asked for.
        model: String,
        /// What there is.
        known: String,
    },
    /// No model was named and there is no default.
    #[error(
        "no model is configured; set OPENAI_API_KEY or OLLAMA_HOST, add one under models.providers, or run `openclaw models pull`"
    )]
    NoDefault,
}

/// A provider and its own name for the model.
#[derive(Clone)]
pub struct Resolved {
    /// Who answers.
    pub provider: Arc<dyn Provider>,
    /// The provider's name of the model.
    pub model: String,
    /// Whether it can call tools.
    pub tools: bool,
}

impl Resolved {
    /// `<provider>/<model>`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.provider.id(), self.model)
    }
}

/// Everything that can be asked.
pub struct Catalog {
    providers: Vec<Arc<dyn Provider>>,
    agents: Vec<AgentProfile>,
    default_agent: AgentId,
    default_model: Option<String>,
}

impl Catalog {
    /// A catalogue; the first agent is the default one, `main` is made when there is none.
    /// Without `default_model` the first model that any provider lists serves.
    pub fn new(
        providers: Vec<Arc<dyn Provider>>,
        mut agents: Vec<AgentProfile>,
        default_agent: AgentId,
        default_model: Option<String>,
    ) -> Self {
        if !agents.iter().any(|agent| agent.id == default_agent) {
            agents.insert(0, AgentProfile { id: default_agent.clone(), name: None, system_prompt: None, model: None });
        }
        Self { providers, agents, default_agent, default_model }
    }

    /// The agents, as configured.
    pub fn agents(&self) -> &[AgentProfile] {
        &self.agents
    }

    /// The default agent's id.
    pub fn default_agent(&self) -> &AgentId {
        &self.default_agent
    }

    /// The agent of that id; `main` means the default one (K7).
    pub fn agent(&self, id: &AgentId) -> Option<&AgentProfile> {
        self.agents.iter().find(|agent| agent.id == *id).or_else(|| {
            (*id == AgentId::main()).then(|| self.agents.iter().find(|a| a.id == self.default_agent)).flatten()
        })
    }

    /// Every known model as `(provider, model)`.
    pub fn models(&self) -> Vec<(String, ModelInfo)> {
        self.providers.iter().flat_map(|p| p.models().into_iter().map(|model| (p.id().to_owned(), model))).collect()
    }

    /// The model that `agent` uses when the caller names none.
    pub fn default_model(&self, agent: &AgentProfile) -> Option<String> {
        agent.model.clone().or_else(|| self.default_model.clone()).or_else(|| {
            self.providers.iter().find_map(|provider| {
                let first = provider.models().into_iter().next()?;
                Some(format!("{}/{}", provider.id(), first.name))
            })
        })
    }

    /// Finds who serves `model`: `<provider>/<name>`, else a bare name some provider lists.
    ///
    /// A provider that lists no models is believed to have any. Errors: nobody has it.
    pub fn resolve(&self, model: Option<&str>, agent: &AgentProfile) -> Result<Resolved, UnknownModel> {
        let wanted = match model.map(str::to_owned).or_else(|| self.default_model(agent)) {
            Some(wanted) => wanted,
            None => return Err(UnknownModel::NoDefault),
        };
        let qualified = wanted.split_once('/').and_then(|(id, name)| {
            let provider = self.providers.iter().find(|provider| provider.id() == id)?;
            offered(provider, name).map(|tools| Resolved {
                provider: Arc::clone(provider),
                model: name.to_owned(),
                tools,
            })
        });
        let bare = || {
            self.providers.iter().find_map(|provider| {
                let tools = provider.models().into_iter().find(|info| info.name == wanted)?.tools;
                Some(Resolved { provider: Arc::clone(provider), model: wanted.clone(), tools })
            })
        };
        qualified.or_else(bare).ok_or_else(|| UnknownModel::Named { model: wanted.clone(), known: self.known() })
    }

    fn known(&self) -> String {
        let mut names: Vec<String> =
            self.models().into_iter().take(20).map(|(provider, model)| format!("{provider}/{}", model.name)).collect();
        if names.is_empty() {
            names.push("none".to_owned());
        }
        names.join(", ")
    }
}

/// Whether `provider` has the model, and if so whether it calls tools.
fn offered(provider: &Arc<dyn Provider>, name: &str) -> Option<bool> {
    let models = provider.models();
    if models.is_empty() {
        return Some(true);
    }
    models.into_iter().find(|info| info.name == name).map(|info| info.tools)
}

#[cfg(test)]
mod tests {
    use super::*;
    use claw_core::provider::{ModelEvent, ModelRequest, ProviderError};
    use futures::stream::{BoxStream, StreamExt, empty};

    struct Listed(&'static str, &'static [&'static str]);

    impl Provider for Listed {
        fn id(&self) -> &str {
            self.0
        }
        fn models(&self) -> Vec<ModelInfo> {
            let info =
                |name: &&str| ModelInfo { name: (*name).into(), display_name: None, context_tokens: None, tools: true };
            self.1.iter().map(info).collect()
        }
        fn stream(&self, _: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ProviderError>> {
            empty().boxed()
        }
    }

    fn catalog(default_model: Option<&str>) -> Catalog {
        let providers: Vec<Arc<dyn Provider>> = vec![
            Arc::new(Listed("a", &["one", "two/deep"])),
            Arc::new(Listed("b", &["two"])),
            Arc::new(Listed("any", &[])),
        ];
        Catalog::new(providers, vec![], AgentId::main(), default_model.map(Into::into))
    }

    fn name(catalog: &Catalog, model: Option<&str>) -> Option<String> {
        let main = catalog.agent(&AgentId::main()).cloned().unwrap();
        catalog.resolve(model, &main).ok().map(|resolved| resolved.full_name())
    }

    #[test]
    fn a_model_is_found_by_its_full_or_its_bare_name() {
        let catalog = catalog(None);
        assert_eq!(name(&catalog, Some("a/one")).as_deref(), Some("a/one"));
        assert_eq!(name(&catalog, Some("a/two/deep")).as_deref(), Some("a/two/deep"));
        assert_eq!(name(&catalog, Some("two")).as_deref(), Some("b/two"));
        assert_eq!(name(&catalog, Some("any/thing")).as_deref(), Some("any/thing"));
        for unknown in ["a/two", "nobody/one", "three", ""] {
            assert_eq!(name(&catalog, Some(unknown)), None, "{unknown}");
        }
    }

    #[test]
    fn the_default_is_the_agents_then_the_configured_then_the_first() {
        assert_eq!(name(&catalog(None), None).as_deref(), Some("a/one"));
        assert_eq!(name(&catalog(Some("b/two")), None).as_deref(), Some("b/two"));
        let none = Catalog::new(vec![], vec![], AgentId::main(), None);
        let main = none.agent(&AgentId::main()).cloned().unwrap();
        assert_eq!(none.resolve(None, &main).err(), Some(UnknownModel::NoDefault));
    }
}
