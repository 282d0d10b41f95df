//! The fields of a head, from the tree of its YAML.

use claw_core::skill::{Installer, Requirements};

use super::{Manifest, Problem};
use crate::limits::{COMPATIBILITY_CHARS_MAX, DESCRIPTION_CHARS_MAX, LIST_MAX, NAME_BYTES_MAX, TEXT_CHARS_MAX};
use crate::yaml::{self, Node, Value};

/// Under which of the metadata OpenClaw's own stands; the older names are still met.
const OWN_METADATA: [&str; 3] = ["openclaw", "clawdbot", "clawdis"];

/// The operating systems, and the other names they go by.
const SYSTEMS: [(&str, &str); 5] =
    [("linux", "linux"), ("darwin", "darwin"), ("macos", "darwin"), ("win32", "win32"), ("windows", "win32")];

/// Reads every field; what is wrong is added to the problems.
pub(super) fn read(root: &Node, body_line: usize, problems: &mut Vec<Problem>) -> Manifest {
    let mut reader = Reader { problems };
    let Some(fields) = reader.map(root, "") else { return Manifest::default() };
    let top = Fields { fields, path: String::new(), line: root.line };
    let name = reader.name(&top);
    let mut manifest = Manifest {
        description: reader.description(&top),
        license: reader.text(&top, "license", TEXT_CHARS_MAX),
        compatibility: reader.text(&top, "compatibility", COMPATIBILITY_CHARS_MAX),
        allowed_tools: reader.words(&top, "allowed-tools"),
        version: reader.text(&top, "version", TEXT_CHARS_MAX),
        homepage: reader.text(&top, "homepage", TEXT_CHARS_MAX),
        is_hidden: reader.flag(&top, "disable-model-invocation", false),
        is_invocable: reader.flag(&top, "user-invocable", true),
        key: name.clone(),
        name,
        body_line,
        ..Manifest::default()
    };
    let Some(metadata) = top.get("metadata") else { return manifest };
    let Some(metadata) = reader.tree(metadata, "metadata") else { return manifest };
    let Some(known) = reader.map(&metadata, "metadata") else { return manifest };
    let version = Fields { fields: known, path: "metadata.".to_owned(), line: metadata.line };
    if manifest.version.is_none() && version.get("version").is_some() {
        manifest.version = reader.text(&version, "version", TEXT_CHARS_MAX);
    }
    let own = OWN_METADATA.iter().find_map(|name| Some((name, known.iter().find(|(key, _)| key == name)?)));
    if let Some((name, (_, node))) = own {
        reader.own(node, &format!("metadata.{name}"), &mut manifest);
    }
    manifest
}

/// The entries of one mapping, and where it stands.
struct Fields<'node> {
    fields: &'node [(String, Node)],
    /// The path before a field's name.
    path: String,
    line: usize,
}

impl<'node> Fields<'node> {
    /// The field, if it says anything.
    fn get(&self, name: &str) -> Option<&'node Node> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, node)| node).filter(|node| !node.is_null())
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }
}

struct Reader<'problems> {
    problems: &'problems mut Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, line: usize, field: impl Into<String>, found: impl Into<String>, allowed: impl Into<String>) {
        let (field, found, allowed) = (field.into(), found.into(), allowed.into());
        self.problems.push(Problem { line, field, found, allowed });
    }

    fn map<'node>(&mut self, node: &'node Node, path: &str) -> Option<&'node [(String, Node)]> {
        match &node.value {
            Value::Map(fields) => Some(fields),
            Value::Text { .. } | Value::List(_) => {
                self.wrong(node.line, path, node.kind(), "a mapping of fields");
                None
            }
        }
    }

    /// A mapping; one written as a text in JSON is read as that.
    fn tree(&mut self, node: &Node, path: &str) -> Option<Node> {
        let Value::Text { text, .. } = &node.value else { return Some(node.clone()) };
        match yaml::parse(text, node.line) {
            Ok(tree) => Some(tree),
            Err(trouble) => {
                self.wrong(trouble.line, path, trouble.found, trouble.allowed);
                None
            }
        }
    }

    fn name(&mut self, fields: &Fields<'_>) -> String {
        let allowed = format!("1 to {NAME_BYTES_MAX} of a to z, 0 to 9 and single hyphens inside");
        let Some(node) = fields.get("name") else {
            self.wrong(fields.line, "name", "nothing", allowed);
            return String::new();
        };
        match &node.value {
            Value::Text { text, .. } if is_name(text) => text.clone(),
            Value::Text { text, .. } => {
                self.wrong(node.line, "name", shown(text), allowed);
                String::new()
            }
            Value::List(_) | Value::Map(_) => {
                self.wrong(node.line, "name", node.kind(), allowed);
                String::new()
            }
        }
    }

    fn description(&mut self, fields: &Fields<'_>) -> String {
        let text = self.text(fields, "description", DESCRIPTION_CHARS_MAX);
        let text = text.map(|text| one_line(&text)).unwrap_or_default();
        if text.is_empty() && !self.problems.iter().any(|problem| problem.field == "description") {
            let allowed = format!("1 to {DESCRIPTION_CHARS_MAX} characters: what it does, and when to use it");
            let line = fields.get("description").map_or(fields.line, |node| node.line);
            self.wrong(line, "description", "nothing", allowed);
        }
        text
    }

    fn text(&mut self, fields: &Fields<'_>, name: &str, chars_max: usize) -> Option<String> {
        let node = fields.get(name)?;
        let allowed = || format!("a text of at most {chars_max} characters");
        match &node.value {
            Value::Text { text, .. } if text.chars().count() <= chars_max => Some(text.clone()),
            Value::Text { text, .. } => {
                self.wrong(node.line, fields.path(name), format!("{} characters", text.chars().count()), allowed());
                None
            }
            Value::List(_) | Value::Map(_) => {
                self.wrong(node.line, fields.path(name), node.kind(), allowed());
                None
            }
        }
    }

    fn flag(&mut self, fields: &Fields<'_>, name: &str, default: bool) -> bool {
        let Some(node) = fields.get(name) else { return default };
        match &node.value {
            Value::Text { text, .. } if text == "true" => true,
            Value::Text { text, .. } if text == "false" => false,
            Value::Text { text, .. } => {
                self.wrong(node.line, fields.path(name), shown(text), "true or false");
                default
            }
            Value::List(_) | Value::Map(_) => {
                self.wrong(node.line, fields.path(name), node.kind(), "true or false");
                default
            }
        }
    }

    /// A list of texts; one text alone is a list of one.
    fn list(&mut self, fields: &Fields<'_>, name: &str) -> Vec<String> {
        let Some(node) = fields.get(name) else { return Vec::new() };
        let nodes = match &node.value {
            Value::List(nodes) => nodes.as_slice(),
            Value::Text { .. } => std::slice::from_ref(node),
            Value::Map(_) => {
                self.wrong(node.line, fields.path(name), node.kind(), "a list of texts");
                return Vec::new();
            }
        };
        if nodes.len() > LIST_MAX {
            let found = format!("{} entries", nodes.len());
            self.wrong(node.line, fields.path(name), found, format!("at most {LIST_MAX}"));
            return Vec::new();
        }
        let mut list = Vec::with_capacity(nodes.len());
        for node in nodes {
            match &node.value {
                Value::Text { text, .. } if is_word(text) => list.push(text.clone()),
                Value::Text { text, .. } => {
                    let allowed = "a text of 1 to 256 printable characters without a space";
                    self.wrong(node.line, fields.path(name), shown(text), allowed);
                }
                Value::List(_) | Value::Map(_) => {
                    self.wrong(node.line, fields.path(name), node.kind(), "a text");
                }
            }
        }
        list
    }

    /// A list, or words with spaces or commas between them.
    fn words(&mut self, fields: &Fields<'_>, name: &str) -> Vec<String> {
        match fields.get(name).map(|node| &node.value) {
            Some(Value::Text { text, .. }) => {
                let words = text.split([' ', ',', '\n']).filter(|word| !word.is_empty());
                words.take(LIST_MAX).map(str::to_owned).collect()
            }
            _ => self.list(fields, name),
        }
    }

    /// What stands under `metadata.openclaw`.
    fn own(&mut self, node: &Node, path: &str, manifest: &mut Manifest) {
        let Some(tree) = self.tree(node, path) else { return };
        let Some(fields) = self.map(&tree, path) else { return };
        let own = Fields { fields, path: format!("{path}."), line: tree.line };
        manifest.emoji = self.text(&own, "emoji", TEXT_CHARS_MAX);
        manifest.homepage = self.text(&own, "homepage", TEXT_CHARS_MAX).or(manifest.homepage.take());
        manifest.primary_env = self.text(&own, "primaryEnv", TEXT_CHARS_MAX);
        manifest.always = self.flag(&own, "always", false);
        if let Some(key) = self.text(&own, "skillKey", NAME_BYTES_MAX).filter(|key| !key.is_empty()) {
            manifest.key = key;
        }
        manifest.needs = self.requirements(&own);
        manifest.installers = self.installers(&own);
    }

    fn requirements(&mut self, own: &Fields<'_>) -> Requirements {
        let os = self.systems(own);
        let Some(node) = own.get("requires") else { return Requirements { os, ..Requirements::default() } };
        let path = own.path("requires");
        let Some(fields) = self.map(node, &path) else { return Requirements { os, ..Requirements::default() } };
        let requires = Fields { fields, path: format!("{path}."), line: node.line };
        let bins = self.programs(&requires, "bins");
        let any_bins = self.programs(&requires, "anyBins");
        Requirements { bins, any_bins, env: self.list(&requires, "env"), config: self.list(&requires, "config"), os }
    }

    /// Names of programs: whoever writes a path would ask for files anywhere.
    fn programs(&mut self, fields: &Fields<'_>, name: &str) -> Vec<String> {
        let list = self.list(fields, name);
        let line = fields.get(name).map_or(fields.line, |node| node.line);
        for bad in list.iter().filter(|program| program.contains(['/', '\\']) || program.starts_with('.')) {
            self.wrong(line, fields.path(name), shown(bad), "the name of a program, without a path");
        }
        list
    }

    fn systems(&mut self, own: &Fields<'_>) -> Vec<String> {
        let written = self.list(own, "os");
        let line = own.get("os").map_or(own.line, |node| node.line);
        let mut systems = Vec::new();
        for name in written {
            match SYSTEMS.iter().find(|(written, _)| *written == name) {
                Some((_, system)) => systems.push((*system).to_owned()),
                None => self.wrong(line, own.path("os"), shown(&name), "linux, darwin, win32"),
            }
        }
        systems
    }

    /// Only told, never run: what is not understood is left out.
    fn installers(&mut self, own: &Fields<'_>) -> Vec<Installer> {
        let Some(Node { value: Value::List(nodes), .. }) = own.get("install") else { return Vec::new() };
        let mut installers = Vec::new();
        for node in nodes.iter().take(LIST_MAX) {
            let Value::Map(fields) = &node.value else { continue };
            let one = Fields { fields, path: own.path("install."), line: node.line };
            let Some(kind) = self.text(&one, "kind", NAME_BYTES_MAX) else { continue };
            let id = self.text(&one, "id", NAME_BYTES_MAX).unwrap_or_else(|| kind.clone());
            let label = self.text(&one, "label", TEXT_CHARS_MAX).unwrap_or_else(|| format!("Install by {kind}"));
            installers.push(Installer { id, kind, label: one_line(&label), bins: self.list(&one, "bins") });
        }
        installers
    }
}

/// Whether a text may name a skill.
pub(crate) fn is_name(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.len() <= NAME_BYTES_MAX && text.split('-').all(is_part)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    format!("{cut:?}")
}

/// A text on one line, without what a terminal or a model might obey unseen.
pub(crate) fn one_line(text: &str) -> String {
    let is_plain = |c: char| !c.is_control() && !crate::scan::is_unseen(c);
    let plain: String =
        text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| is_plain(*c)).collect();
    plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
