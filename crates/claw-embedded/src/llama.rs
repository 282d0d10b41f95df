//! llama.cpp behind the engine's [`Backend`].
//!
//! Decision: *one build for x86-64-v3, and a clear refusal elsewhere.*
//! Context: the build script of `llama-cpp-sys-2` turns the processor's vector instructions off
//! unless told otherwise, which costs a factor of several. Decision: `.cargo/config.toml` sets
//! ggml's options to what every x86-64 processor since 2013 has (AVX2, FMA, F16C, BMI2), and before
//! the first call [`processor`] compares what ggml was compiled for with what the machine has.
//! An older machine gets [`EngineError::ProcessorTooOld`] naming what it lacks, and everything
//! else in the program works there. Refused: `target-cpu=native` (the binary would not run on the
//! neighbour's machine); ggml's `CPU_ALL_VARIANTS` (a dozen shared libraries to ship and find for
//! the sake of machines that are too slow anyway). Only ggml-cpu is compiled this way, and none of
//! its inline functions is shared with other C++ code, so nothing outside the engine uses these
//! instructions. We were wrong if the refusal turns up in people's logs.
//!
//! Threads: without OpenMP ggml starts its helpers for each piece of work and joins them after it,
//! so none can spin between tokens; they inherit the priority of the engine's thread. With one
//! thread (two cores) there are no helpers at all.

mod parked;
mod processor;
mod prompt;
mod sampler;
mod session;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};
use tracing::trace;

use self::prompt::Template;
use self::session::Sessions;
use crate::engine::{Backend, EngineError, Finish, FinishReason, Model, Output, Request, Usage};
use crate::settings::Settings;
use crate::text::{Step, TextOutput};

/// Largest piece of a prompt evaluated at once, in tokens.
const PROMPT_PIECE_TOKENS_MAX: u32 = 256;

/// Share of the context kept free for the answer when the history is cut.
const ANSWER_SHARE: u32 = 4;

/// llama.cpp as the engine's backend.
pub(crate) struct Llama {
    threads: i32,
    context_tokens_max: u32,
    parked_bytes_max: usize,
}

impl Llama {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            threads: i32::try_from(settings.threads().get()).unwrap_or(i32::MAX),
            context_tokens_max: settings.context_tokens_max,
            parked_bytes_max: settings.parked_sessions_bytes_max,
        }
    }
}

impl Backend for Llama {
    fn with_model(&mut self, path: &Path, serve: &mut dyn FnMut(&mut dyn Model)) -> Result<(), EngineError> {
        let unusable =
            |reason: &str| EngineError::ModelUnusable { path: path.display().to_string(), reason: reason.to_owned() };
        check_file(path)?;
        let backend = library()?;
        let model = LlamaModel::load_from_file(backend, path, &LlamaModelParams::default().with_n_gpu_layers(0))
            .map_err(|_| unusable("llama.cpp does not accept it; the log has its reason"))?;
        let context_tokens = self.context_tokens_max.min(model.n_ctx_train()).max(1);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(context_tokens))
            .with_n_batch(PROMPT_PIECE_TOKENS_MAX)
            .with_n_ubatch(PROMPT_PIECE_TOKENS_MAX)
            .with_n_threads(self.threads)
            .with_n_threads_batch(self.threads)
            .with_no_perf(true);
        let context =
            model.new_context(backend, params).map_err(|_| unusable("there is not enough memory for its context"))?;
        let template = Template::of(&model);
        let sessions = Sessions::new(context, self.parked_bytes_max);
        serve(&mut Loaded { model: &model, template, sessions, context_tokens });
        Ok(())
    }
}

/// Initialises llama.cpp once per process; it is never freed, as a second engine may use it.
fn library() -> Result<&'static LlamaBackend, EngineError> {
    static LIBRARY: OnceLock<Result<LlamaBackend, EngineError>> = OnceLock::new();
    let start = || {
        processor::check()?;
        send_logs_to_tracing(LogOptions::default());
        LlamaBackend::init().map_err(|refused| EngineError::Failed { reason: refused.to_string() })
    };
    LIBRARY.get_or_init(start).as_ref().map_err(Clone::clone)
}

/// Says what is wrong with a file before llama.cpp says only that something is.
fn check_file(path: &Path) -> Result<(), EngineError> {
    let shown = || path.display().to_string();
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => {
            return Err(EngineError::ModelMissing { path: shown() });
        }
        Err(refused) => return Err(EngineError::ModelUnusable { path: shown(), reason: refused.to_string() }),
    };
    let mut magic = [0; 4];
    match file.read_exact(&mut magic) {
        Ok(()) if &magic == b"GGUF" => Ok(()),
        _ => Err(EngineError::ModelUnusable { path: shown(), reason: "it is not a GGUF file".to_owned() }),
    }
}

/// A model in memory with its one context.
struct Loaded<'model> {
    model: &'model LlamaModel,
    template: Template,
    sessions: Sessions<'model>,
    context_tokens: u32,
}

impl Model for Loaded<'_> {
    fn generate(&mut self, request: &Request, output: &Output) -> Result<Option<Finish>, EngineError> {
        let asked = request.sampling.answer_tokens_max.unwrap_or(u32::MAX);
        let reserve = asked.min(self.context_tokens / ANSWER_SHARE).max(1);
        let budget = usize::try_from(self.context_tokens - reserve).unwrap_or(usize::MAX);
        let prompt = prompt::tokens(self.model, &self.template, &request.messages, budget)?;
        let started = Instant::now();
        let Some(cached) = self.sessions.evaluate_prompt(request.session.as_deref(), &prompt, output)? else {
            return Ok(None);
        };
        trace!(prompt_ms = started.elapsed().as_millis() as u64, tokens = prompt.len(), cached, "prompt evaluated");
        let prompt_tokens = u32::try_from(prompt.len()).unwrap_or(u32::MAX);
        let usage =
            Usage { prompt_tokens, cached_prompt_tokens: u32::try_from(cached).unwrap_or(u32::MAX), answer_tokens: 0 };
        self.answer(request, output, usage, asked.min(self.context_tokens - prompt_tokens))
    }
}

impl Loaded<'_> {
    /// Chooses token after token until the model, a stop text, the limit or the reader ends it.
    fn answer(
        &mut self,
        request: &Request,
        output: &Output,
        mut usage: Usage,
        tokens_max: u32,
    ) -> Result<Option<Finish>, EngineError> {
        let vocabulary = self.model.vocab();
        let mut sampler = sampler::build(&request.sampling, vocabulary.n_tokens(), self.context_tokens);
        let mut text = TextOutput::new(&request.sampling.stop);
        let reason = loop {
            if output.is_unwanted() {
                return Ok(None);
            }
            if usage.answer_tokens == tokens_max {
                break FinishReason::Length;
            }
            let token = self.sessions.sample(&mut sampler);
            if vocabulary.is_eog(token) {
                break FinishReason::Stop;
            }
            usage.answer_tokens += 1;
            match text.push(&vocabulary.token_to_piece(token, false, None)) {
                Step::Text(piece) => output.text(piece),
                Step::Stopped(piece) => {
                    output.text(piece);
                    return Ok(Some(Finish { reason: FinishReason::Stop, usage }));
                }
            }
            if usage.answer_tokens < tokens_max {
                self.sessions.evaluate_token(token)?;
            }
        };
        output.text(text.finish());
        Ok(Some(Finish { reason, usage }))
    }
}
