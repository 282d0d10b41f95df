//! Skills: folders with a `SKILL.md` that teach an agent a task.
//!
//! Path of data: a directory or an archive becomes [`Contents`], which are judged and scanned before
//! anything is written ([`install`]); what lies in the directories becomes [`Manifest`]s, held
//! against what there is here ([`gate`]); the model is told of those that can be used in an index
//! ([`briefing`]) and reads one when it needs it ([`tool`]).
//!
//! - [`manifest`] reads `SKILL.md`; `yaml` its head; [`limits`] every written limit
//! - [`contents`] files in memory; [`folder`] and [`archive`] bring them
//! - [`scan`] looks for what malicious skills do; [`install`] puts a skill in its place
//! - `pin` whether an installed skill is still what was installed
//! - [`library`] which skills there are, of workspace, operator and this program
//!
//! A skill's text has no authority. Nothing here runs anything, and nothing here goes out to the
//! network. Knows no store, no queue, no provider and no door.

pub mod archive;
pub mod briefing;
mod bundled;
pub mod contents;
pub mod folder;
pub mod gate;
pub mod install;
pub mod library;
pub mod limits;
pub mod manifest;
mod pin;
pub mod scan;
pub mod tool;
mod yaml;

pub use contents::Contents;
pub use library::Library;
pub use manifest::Manifest;
