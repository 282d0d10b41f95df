//! For the crash tests only: the failpoint named in the environment, and a tool with an effect
//! that must not be repeated – it appends a line to a file – under two names, so that one can be asked for.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use claw_core::message::JsonText;
use claw_core::provider::ToolSpec;
use claw_core::tool::{Tool, ToolContext, ToolError};

use crate::env::Environment;

/// Arms the failpoint `OPENCLAW_FAILPOINT` names.
pub(super) fn arm() {
    if let Some(spec) = Environment::capture().get("OPENCLAW_FAILPOINT")
        && let Err(error) = claw_runtime::failpoint::arm(spec)
    {
        tracing::error!("OPENCLAW_FAILPOINT: {error}");
    }
}

/// The tools, if `OPENCLAW_TEST_EFFECTS` names their file.
pub(super) fn tools() -> Vec<Arc<dyn Tool>> {
    let file = Environment::capture().get("OPENCLAW_TEST_EFFECTS").map(PathBuf::from);
    let both = ["test_effect", "test_effect_asked"];
    file.into_iter()
        .flat_map(|file| both.map(|name| Arc::new(Append { name, file: file.clone() }) as Arc<dyn Tool>))
        .collect()
}

struct Append {
    name: &'static str,
    file: PathBuf,
}

#[async_trait]
impl Tool for Append {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new(self.name, "Appends the arguments to a file, once.", JsonText::new(r#"{"type":"object"}"#))
    }

    fn is_idempotent(&self) -> bool {
        false
    }

    async fn call(&self, context: &ToolContext, _arguments: &JsonText) -> Result<String, ToolError> {
        let line = format!("{}\n", context.session);
        let append = || OpenOptions::new().create(true).append(true).open(&self.file)?.write_all(line.as_bytes());
        append().map_err(|error| ToolError::Failed(error.to_string()))?;
        Ok("appended".into())
    }
}
