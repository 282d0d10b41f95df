//! Words of the core as they are stored: JSON texts with a form beside them, small integers for enums.

use std::cell::RefCell;
use std::sync::Arc;

use claw_core::approval::ApprovalState;
use claw_core::task::StateName;
use claw_core::{Lane, OnCrash, Priority, Scopes};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// The version of every stored JSON text that this code writes, and the only one it knows.
pub(crate) const FORM: i64 = 1;

/// A value as stored JSON.
pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> Result<Arc<str>, StoreError> {
    thread_local! {
        /// Texts come by the dozen with every run: each is written where the last one was.
        static SHEET: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    SHEET.with_borrow_mut(|sheet| {
        sheet.clear();
        serde_json::to_writer(&mut *sheet, value).map_err(unwritable)?;
        let text = std::str::from_utf8(sheet).map(Arc::from).map_err(unwritable)?;
        sheet.shrink_to(SHEET_BYTES_KEPT);
        Ok(text)
    })
}

/// Why a value is not stored.
pub(crate) fn unwritable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("cannot be written as JSON: {error}"))
}

/// So much of a sheet is kept for the next text.
const SHEET_BYTES_KEPT: usize = 64 * 1024;

/// A stored JSON text as value; `what` names it in the error.
pub(crate) fn value<T: DeserializeOwned>(text: &str, form: i64, what: &str) -> Result<T, StoreError> {
    if form != FORM {
        return Err(StoreError::TooNew { found: form, known: FORM });
    }
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))
}

/// A state as its number in the order of life.
pub(crate) const fn state_number(state: StateName) -> i64 {
    match state {
        StateName::Queued => 0,
        StateName::Running => 1,
        StateName::Completed => 2,
        StateName::Failed => 3,
        StateName::Cancelled => 4,
    }
}

/// The state of that number.
pub(crate) fn state(number: i64) -> Result<StateName, StoreError> {
    StateName::ALL.into_iter().find(|state| state_number(*state) == number).ok_or_else(|| strange("state", number))
}

/// An approval's state as its number.
pub(crate) const fn approval_state_number(state: ApprovalState) -> i64 {
    match state {
        ApprovalState::Pending => 0,
        ApprovalState::Allowed => 1,
        ApprovalState::Denied => 2,
        ApprovalState::Expired => 3,
        ApprovalState::Used => 4,
        ApprovalState::Void => 5,
    }
}

/// The approval's state of that number.
pub(crate) fn approval_state(number: i64) -> Result<ApprovalState, StoreError> {
    let found = ApprovalState::ALL.into_iter().find(|state| approval_state_number(*state) == number);
    found.ok_or_else(|| strange("an approval's state", number))
}

/// A lane as its number.
pub(crate) const fn lane_number(lane: Lane) -> i64 {
    match lane {
        Lane::Interactive => 0,
        Lane::Standard => 1,
        Lane::Long => 2,
    }
}

/// The lane of that number.
pub(crate) fn lane(number: i64) -> Result<Lane, StoreError> {
    Lane::ALL.into_iter().find(|lane| lane_number(*lane) == number).ok_or_else(|| strange("lane", number))
}

/// The priority of that number.
pub(crate) fn priority(number: i64) -> Result<Priority, StoreError> {
    u8::try_from(number).ok().and_then(Priority::new).ok_or_else(|| strange("priority", number))
}

/// What to do after a crash, as its number.
pub(crate) const fn on_crash_number(on_crash: OnCrash) -> i64 {
    match on_crash {
        OnCrash::Fail => 0,
        OnCrash::Retry => 1,
    }
}

/// What to do after a crash, by its number.
pub(crate) fn on_crash(number: i64) -> Result<OnCrash, StoreError> {
    match number {
        0 => Ok(OnCrash::Fail),
        1 => Ok(OnCrash::Retry),
        _ => Err(strange("on_crash", number)),
    }
}

/// Permissions by their bits.
pub(crate) fn scopes(bits: i64) -> Result<Scopes, StoreError> {
    u8::try_from(bits).map(Scopes::from_bits).map_err(|_| strange("scopes", bits))
}

/// A number that must fit its type.
pub(crate) fn fit<T: TryFrom<i64>>(number: i64, what: &str) -> Result<T, StoreError> {
    T::try_from(number).map_err(|_| strange(what, number))
}

/// A count as stored.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn strange(what: &str, number: i64) -> StoreError {
    StoreError::Corrupt(format!("{what} cannot be {number}"))
}

#[cfg(test)]
mod tests {
    use claw_core::Part;
    use claw_core::message::Detail;
    use claw_core::provider::ToolSpec;

    use super::*;

    /// What was written before a field was there is read, and what does not say it is written as it was.
    #[test]
    fn tools_without_a_word_of_strictness_are_read_and_written_as_ever() {
        let old = r#"{"name":"n","description":"d","parameters":"{}"}"#;
        let tool: ToolSpec = value(old, FORM, "a tool").unwrap();
        assert_eq!((tool.strict, &*text(&tool).unwrap()), (None, old));
        let strict = ToolSpec { strict: Some(true), ..tool };
        assert_eq!(value::<ToolSpec>(&text(&strict).unwrap(), FORM, "a tool").unwrap(), strict);
    }

    #[test]
    fn pictures_without_a_word_of_detail_are_read_and_written_as_ever() {
        let old = r#"{"type":"image","url":"data:,"}"#;
        let part: Part = value(old, FORM, "a part").unwrap();
        assert_eq!((&part, &*text(&part).unwrap()), (&Part::image("data:,"), old));
        for detail in Detail::ALL {
            let part = Part::Image { url: "data:,".into(), detail: Some(detail) };
            assert_eq!(
                *text(&part).unwrap(),
                *format!(r#"{{"type":"image","url":"data:,","detail":"{}"}}"#, detail.as_str())
            );
            assert_eq!(value::<Part>(&text(&part).unwrap(), FORM, "a part").unwrap(), part);
        }
    }
}
