//! What a command says, its beginning and its end kept and the middle dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::OUTPUT_HALF_BYTES;

/// Shared by whoever reads the pipes and whoever shows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Output(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Output {
    pub(super) fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = OUTPUT_HALF_BYTES.saturating_sub(kept.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        kept.head.extend_from_slice(head);
        kept.tail.extend(rest);
        let over = kept.tail.len().saturating_sub(OUTPUT_HALF_BYTES);
        kept.tail.drain(..over);
        kept.dropped += over as u64;
    }

    /// All of it so far, which is forgotten.
    pub(super) fn take(&self) -> String {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let Kept { head, tail, dropped } = kept;
        if dropped == 0 {
            let whole: Vec<u8> = head.into_iter().chain(tail).collect();
            return String::from_utf8_lossy(&whole).into_owned();
        }
        let tail: Vec<u8> = tail.into_iter().collect();
        let (head, tail) = (String::from_utf8_lossy(&head), String::from_utf8_lossy(&tail));
        format!("{head}\n[{dropped} bytes left out]\n{tail}")
    }
}
