//! What can be asked.

use std::sync::Arc;

use claw_agent::AgentProfile;
use claw_core::AgentId;
use claw_core::provider::ModelInfo;

use crate::engine::Engine;

/// Models and agents.
#[derive(Clone)]
pub struct Models(pub(crate) Arc<Engine>);

impl Models {
    /// Every known model as `(provider, model)`.
    pub fn list(&self) -> Vec<(String, ModelInfo)> {
        self.0.agent.catalog().models()
    }

    /// Every agent.
    pub fn agents(&self) -> Vec<AgentProfile> {
        self.0.agent.catalog().agents().to_vec()
    }

    /// The default agent.
    pub fn default_agent(&self) -> AgentId {
        self.0.agent.catalog().default_agent().clone()
    }

    /// `<provider>/<model>` that the default agent uses, when there is one.
    pub fn default_model(&self) -> Option<String> {
        let catalog = self.0.agent.catalog();
        catalog.agent(catalog.default_agent()).and_then(|agent| catalog.default_model(agent))
    }
}
