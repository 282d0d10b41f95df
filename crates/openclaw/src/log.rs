//! Log lines: for people on the terminal, as JSON in the file. Nothing secret in either.
//!
//! One layer of our own instead of the library's two formatters, because every value must pass
//! one gate: control characters escaped, length capped, credentials struck out. Fields of the
//! spans around an event, the request's id first of all, stand in the event's own line.

mod line;
mod rotate;
mod tail;

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use claw_core::Clock;
use claw_runtime::SystemClock;

pub(crate) use self::tail::tail;

use self::line::{Fields, Line};
use self::rotate::RotatingFile;
use crate::config::file::{Format, Level};
use crate::config::settings::Logging;
use crate::exit::Fatal;

/// Whether lines also go to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terminal {
    /// They do.
    Shown,
    /// The file alone has them: nobody watches.
    Hidden,
}

/// Starts logging for the rest of the process; what it gives changes the level later.
///
/// Errors: [`Fatal::Config`] if the filter cannot be read. A log file that cannot be opened is
/// no reason not to start: that is said in the log itself.
pub(crate) fn start(logging: &Logging, level: Level, terminal: Terminal) -> Result<LevelControl, Fatal> {
    let directives = match &logging.filter {
        Some(filter) => filter.clone(),
        None => default_filter(level).to_owned(),
    };
    let filter = EnvFilter::try_new(&directives)
        .map_err(|error| Fatal::Config(format!("environment variable OPENCLAW_LOG: {error}")))?;
    let (file, file_error) = match &logging.file {
        None => (None, None),
        Some(path) => match RotatingFile::open(path) {
            Ok(file) => (Some(Mutex::new(file)), None),
            Err(error) => (None, Some(format!("cannot write the log file {}: {error}", path.display()))),
        },
    };
    let lines = Lines {
        terminal: (terminal == Terminal::Shown).then_some(logging.format),
        colour: std::io::stderr().is_terminal(),
        file,
    };
    let (filter, handle) = reload::Layer::new(filter);
    // A second start in one process is a test's; the first logger stays.
    let _already_started = tracing_subscriber::registry().with(filter).with(lines).try_init();
    if let Some(error) = file_error {
        tracing::warn!("{error}");
    }
    Ok(LevelControl { handle: logging.filter.is_none().then_some(handle) })
}

/// Changes the level of a log that has begun.
#[derive(Debug, Default)]
pub(crate) struct LevelControl {
    /// None where the environment's own filter counts instead of a level.
    handle: Option<reload::Handle<EnvFilter, Registry>>,
}

impl LevelControl {
    /// Lines less severe than `level` are left out from now on.
    pub(crate) fn set(&self, level: Level) {
        let Some(handle) = &self.handle else {
            return;
        };
        if let Err(error) = handle.reload(EnvFilter::new(default_filter(level))) {
            tracing::warn!("the log level stays as it was: {error}");
        }
    }
}

/// Our own crates at `level`; the libraries' chatter only where somebody asked for everything.
fn default_filter(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info,llama-cpp-2=warn,sqlx=warn,hyper=warn,reqwest=warn,rustls=warn,tungstenite=warn",
        Level::Debug => {
            "debug,llama-cpp-2=warn,sqlx=info,hyper=info,hyper_util=info,reqwest=info,rustls=info,tungstenite=info,h2=info"
        }
        Level::Trace => "trace",
    }
}

struct Lines {
    terminal: Option<Format>,
    colour: bool,
    file: Option<Mutex<RotatingFile>>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(scope) = context.event_scope(event) {
            for span in scope {
                if let Some(outer) = span.extensions().get::<Fields>() {
                    fields.inherit(outer);
                }
            }
        }
        let metadata = event.metadata();
        let line =
            Line { time: SystemClock.now(), level: *metadata.level(), target: metadata.target(), fields: &fields };
        self.write(&line);
    }
}

impl Lines {
    /// Writes the line wherever it goes. A log that cannot be written has nowhere to say so.
    fn write(&self, line: &Line<'_>) {
        if let Some(format) = self.terminal {
            let text = match format {
                Format::Human => line.human(self.colour),
                Format::Json => line.json(),
            };
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
        if let Some(file) = &self.file {
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write(line.json().as_bytes());
        }
    }
}
