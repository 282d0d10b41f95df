//! Tools of a response: ours by name, the client's own as objects, flat or nested (K10).

use std::fmt;

use claw_core::provider::ToolSpec;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::BadRequest;
use crate::limits::TOOLS_MAX;
use crate::openai::chat::{Function, Mode, ToolChoice};
use crate::openai::checks::{function_spec, repeated};

/// One entry of `tools`.
#[derive(Debug)]
pub enum GivenTool {
    /// One of the gateway's tools.
    Named(String),
    /// A tool the client brings.
    Object(Box<ToolObject>),
}

/// A tool the client brings: its function's fields beside `type`, or inside `function`.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are OpenAI's")]
pub struct ToolObject {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub parameters: Option<Box<RawValue>>,
    pub strict: Option<bool>,
    pub function: Option<Function>,
}

impl<'de> Deserialize<'de> for GivenTool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = GivenTool;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tool's name or a tool object")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<GivenTool, E> {
                Ok(GivenTool::Named(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<GivenTool, A::Error> {
                let object = ToolObject::deserialize(MapAccessDeserializer::new(fields))?;
                Ok(GivenTool::Object(Box::new(object)))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// What `tools` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tools {
    /// The client's own.
    pub clients: Vec<ToolSpec>,
    /// The gateway's that may be used, each behind the field that names it.
    pub named: Vec<(String, String)>,
    /// Whether these are all; otherwise every tool of the gateway's may be used.
    pub is_limited: bool,
}

impl Tools {
    /// Sorts the entries of `tools`; also gives them as answers show them.
    ///
    /// # Errors
    /// Too many, or one of another kind or shape.
    pub fn read(raw: Vec<GivenTool>) -> Result<(Self, Box<RawValue>), BadRequest> {
        if raw.len() > TOOLS_MAX {
            return Err(BadRequest::of("tools", format!("at most {TOOLS_MAX} tools, found {}", raw.len())));
        }
        let (mut tools, mut shown) = (Self::default(), Vec::new());
        for (index, tool) in raw.into_iter().enumerate() {
            match tool {
                GivenTool::Named(name) => {
                    shown.push(ShownTool::named(name.clone()));
                    tools.named.push((format!("tools[{index}]"), name));
                    tools.is_limited = true;
                }
                GivenTool::Object(object) => {
                    let spec = function(index, *object)?;
                    shown.push(ShownTool::of(&spec)?);
                    tools.clients.push(spec);
                }
            }
        }
        match repeated(&tools.clients) {
            Some(place) => {
                let name = tools.clients.get(place).map_or("", |tool| tool.name.as_str());
                Err(BadRequest::of("tools", format!("two tools are called {name:?}")))
            }
            None => Ok((tools, super::object::raw(&shown))),
        }
    }

    /// Leaves only these of the gateway's.
    ///
    /// # Errors
    /// One that the request itself does not name, where it names any.
    pub fn narrow(&mut self, own: Vec<String>) -> Result<(), BadRequest> {
        let param = || "tool_choice".to_owned();
        if !self.is_limited {
            self.named = own.into_iter().map(|name| (param(), name)).collect();
        } else if let Some(absent) = own.iter().find(|name| self.named.iter().all(|(_, named)| named != *name)) {
            return Err(BadRequest::of(
                param(),
                format!("tool_choice allows {absent:?}, which is not among the tools"),
            ));
        } else {
            self.named.retain(|(_, name)| own.contains(name));
        }
        self.is_limited = true;
        Ok(())
    }
}

fn function(index: usize, raw: ToolObject) -> Result<ToolSpec, BadRequest> {
    let ToolObject { kind, name, description, parameters, strict, function } = raw;
    let at = |field: &str| format!("tools[{index}]{field}");
    match kind.as_deref() {
        Some("function") => {}
        None => return Err(BadRequest::of(at(".type"), "missing field `type`")),
        Some(found) => {
            let message = format!(
                "a tool is of type function, or the name of one of the gateway's tools as a string; found {found:?}"
            );
            return Err(BadRequest::of(at(".type"), message));
        }
    }
    let (place, function) = match (function, name) {
        (Some(function), _) => (".function", Function { strict: function.strict.or(strict), ..function }),
        (None, Some(name)) => ("", Function { name, description, parameters, strict }),
        (None, None) => return Err(BadRequest::of(at(".name"), "missing field `name`")),
    };
    function_spec(|field| at(&format!("{place}{field}")), function)
}

/// A tool as answers show it.
#[derive(Debug, Serialize)]
struct ShownTool {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    description: Option<String>,
    parameters: Option<Box<RawValue>>,
    strict: Option<bool>,
}

impl ShownTool {
    fn named(name: String) -> Self {
        Self { kind: "function", name, description: None, parameters: None, strict: None }
    }

    fn of(spec: &ToolSpec) -> Result<Self, BadRequest> {
        let ToolSpec { name, description, parameters, strict } = spec;
        let parameters = RawValue::from_string(parameters.as_str().to_owned());
        let parameters = parameters.map_err(|error| BadRequest::of("tools", error.to_string()))?;
        let description = Some(description.clone()).filter(|text| !text.is_empty());
        let (name, strict) = (name.clone(), Some(strict.unwrap_or(false)));
        Ok(Self { kind: "function", name, description, parameters: Some(parameters), strict })
    }
}

/// The choice as answers show it.
pub(super) fn shown_choice(choice: Option<&ToolChoice>) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Named<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        name: &'a str,
    }
    #[derive(Serialize)]
    struct Allowed<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        mode: &'static str,
        tools: Vec<Named<'a>>,
    }
    let function = |name| Named { kind: "function", name };
    match choice {
        None | Some(ToolChoice::Auto) => super::object::raw("auto"),
        Some(ToolChoice::None) => super::object::raw("none"),
        Some(ToolChoice::Required) => super::object::raw("required"),
        Some(ToolChoice::Named(name)) => super::object::raw(&function(name)),
        Some(ToolChoice::Allowed { mode, names }) => {
            let mode = match mode {
                Mode::Auto => "auto",
                Mode::None => "none",
                Mode::Required => "required",
            };
            let tools = names.iter().map(|name| function(name)).collect();
            super::object::raw(&Allowed { kind: "allowed_tools", mode, tools })
        }
    }
}
