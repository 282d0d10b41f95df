//! The one context, and which session's tokens are in it.
//!
//! A follow-up turn repeats the conversation so far; what is already evaluated is kept and only
//! the rest is computed. When another session comes, the current one's state is copied out
//! (memory only) and copied back later.

use std::time::{Duration, Instant};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::session::{LlamaStateSeqFlags, SeqState};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use tracing::warn;

use super::parked::{Entry, Parked};
use crate::engine::{EngineError, Output};

/// The only sequence in the context.
const SEQUENCE: i32 = 0;

/// How long a piece of a prompt should take: the reader's departure is noticed between pieces.
const PIECE_TIME: Duration = Duration::from_millis(200);

/// First piece, before the machine's speed is known.
const FIRST_PIECE_TOKENS: usize = 32;

pub(super) struct Sessions<'model> {
    context: LlamaContext<'model>,
    batch: LlamaBatch<'static>,
    batch_tokens_max: usize,
    piece_tokens: usize,
    /// Whose tokens are in the context.
    session: Option<String>,
    /// The tokens in the context.
    tokens: Vec<LlamaToken>,
    parked: Parked<LlamaToken, SeqState>,
}

impl<'model> Sessions<'model> {
    pub(super) fn new(context: LlamaContext<'model>, parked_bytes_max: usize) -> Self {
        let batch_tokens_max = usize::try_from(context.n_batch()).unwrap_or(1).max(1);
        Self {
            batch: LlamaBatch::new(batch_tokens_max, 1),
            batch_tokens_max,
            piece_tokens: FIRST_PIECE_TOKENS.min(batch_tokens_max),
            context,
            session: None,
            tokens: Vec::new(),
            parked: Parked::new(parked_bytes_max),
        }
    }

    /// Brings `prompt` into the context; returns how many of its tokens were there already, or
    /// `None` when nobody wants the answer any more.
    pub(super) fn evaluate_prompt(
        &mut self,
        session: Option<&str>,
        prompt: &[LlamaToken],
        output: &Output,
    ) -> Result<Option<usize>, EngineError> {
        self.switch_to(session);
        let cached = self.keep_common_start(prompt);
        let mut rest = prompt.get(cached..).unwrap_or_default();
        while !rest.is_empty() {
            if output.is_unwanted() {
                return Ok(None);
            }
            let (piece, after) = rest.split_at(self.piece_tokens.min(rest.len()));
            let started = Instant::now();
            self.decode(piece, after.is_empty())?;
            self.adapt(piece.len(), started.elapsed());
            rest = after;
        }
        Ok(Some(cached))
    }

    /// Adds one token of the answer to the context.
    pub(super) fn evaluate_token(&mut self, token: LlamaToken) -> Result<(), EngineError> {
        self.decode(&[token], true)
    }

    /// Chooses the next token from the last evaluated position.
    pub(super) fn sample(&self, sampler: &mut LlamaSampler) -> LlamaToken {
        sampler.sample(&self.context, -1)
    }

    fn switch_to(&mut self, session: Option<&str>) {
        if self.session.as_deref() == session {
            return;
        }
        let left = self.session.take();
        if !self.tokens.is_empty()
            && let Ok(state) = self.context.state_seq_get(SEQUENCE, LlamaStateSeqFlags::empty())
        {
            let (tokens, bytes) = (std::mem::take(&mut self.tokens), state.byte_len());
            self.parked.put(Entry { session: left, tokens, state, bytes });
        }
        self.forget();
        self.session = session.map(str::to_owned);
        if let Some(entry) = self.parked.take(session) {
            match self.context.state_seq_set(&entry.state, SEQUENCE) {
                Ok(()) => self.tokens = entry.tokens,
                Err(refused) => {
                    warn!(reason = %refused, "a session's context cannot be restored and is evaluated again");
                    self.forget();
                }
            }
        }
    }

    /// Drops everything after what `prompt` and the context have in common.
    ///
    /// The last token of a prompt is always evaluated again: the answer starts from its result.
    fn keep_common_start(&mut self, prompt: &[LlamaToken]) -> usize {
        let common = self.tokens.iter().zip(prompt).take_while(|(have, want)| have == want).count();
        let keep = common.min(prompt.len().saturating_sub(1));
        if keep == self.tokens.len() {
            return keep;
        }
        let from = u32::try_from(keep).unwrap_or(u32::MAX);
        if keep == 0 || self.context.kv_cache_seq_rm(SEQUENCE, Some(from), None).is_err() {
            // Recurrent models cannot go back by a few tokens.
            self.forget();
            return 0;
        }
        self.tokens.truncate(keep);
        keep
    }

    fn forget(&mut self) {
        self.context.clear_kv_cache();
        self.tokens.clear();
    }

    fn decode(&mut self, tokens: &[LlamaToken], wants_result: bool) -> Result<(), EngineError> {
        self.batch.clear();
        for (index, token) in tokens.iter().enumerate() {
            let position = i32::try_from(self.tokens.len() + index).unwrap_or(i32::MAX);
            let is_last = index + 1 == tokens.len();
            self.batch.add(*token, position, &[SEQUENCE], wants_result && is_last).map_err(failed)?;
        }
        if let Err(refused) = self.context.decode(&mut self.batch) {
            // What is in the context now is unknown.
            self.forget();
            return Err(failed(refused));
        }
        self.tokens.extend_from_slice(tokens);
        Ok(())
    }

    /// Chooses the next piece's length by the time the last one took.
    fn adapt(&mut self, tokens: usize, elapsed: Duration) {
        let millis = usize::try_from(elapsed.as_millis()).unwrap_or(usize::MAX).max(1);
        let wanted = tokens * usize::try_from(PIECE_TIME.as_millis()).unwrap_or(usize::MAX) / millis;
        self.piece_tokens = wanted.clamp(8, self.batch_tokens_max.max(8)).min(self.batch_tokens_max);
    }
}

fn failed(reason: impl std::fmt::Display) -> EngineError {
    EngineError::Failed { reason: reason.to_string() }
}
