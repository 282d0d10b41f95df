//! Items that a request only names are looked up, and put in the place of their names.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use claw_core::{Message, Principal, Task, TaskId};
use claw_wire::BadRequest;
use claw_wire::openai::responses::items::{Input, Reference};
use claw_wire::openai::responses::response_id;
use claw_wire::openai::responses::shown::{item_of, run_of_item};
use http::StatusCode;

use super::own;
use crate::doors::Doors;
use crate::error::Problem;
use crate::limits::REFERENCES_MAX;

/// Looks up what is named; whether strangers' words are among it.
///
/// Errors: too many, or one that is of no stored response of this caller's (G13).
pub(super) async fn resolve(doors: &Doors, principal: &Principal, input: Option<&mut Input>) -> Result<bool, Problem> {
    let Some(input) = input else { return Ok(false) };
    let references = input.references();
    if references.len() > REFERENCES_MAX {
        let message = format!("at most {REFERENCES_MAX} items may be named, found {}", references.len());
        return Err(BadRequest::of("input", message).into());
    }
    let mut runs: HashMap<TaskId, Task> = HashMap::new();
    let (mut looked_at, mut untrusted) = (HashSet::new(), false);
    for Reference { place, id, is_needed } in references {
        let absent = || {
            let message = format!("there is no item {:?}", id.chars().take(80).collect::<String>());
            let message = format!("{message}: only items of responses that were stored can be named");
            Problem {
                param: Some(format!("input[{place}].id").into()),
                ..Problem::new(StatusCode::NOT_FOUND, "not_found", message)
            }
        };
        let Some((task, item)) = find(doors, principal, &id, &mut runs).await? else {
            if is_needed {
                return Err(absent());
            }
            continue;
        };
        input.put(place, item);
        if looked_at.insert(task.id) {
            untrusted |= doors.app.sessions.is_untrusted(task).await?;
        }
    }
    Ok(untrusted)
}

/// An item and the run it is of; nothing where there is none for this caller.
async fn find<'a>(
    doors: &Doors,
    principal: &Principal,
    id: &str,
    runs: &'a mut HashMap<TaskId, Task>,
) -> Result<Option<(&'a Task, Message)>, Problem> {
    let Some(run) = run_of_item(id) else { return Ok(None) };
    let task = match runs.entry(run) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => match own(doors, principal, &response_id(run), false).await {
            Err(problem) if problem.status == StatusCode::NOT_FOUND => return Ok(None),
            found => unknown.insert(found?.0),
        },
    };
    Ok(item_of(task, id).map(|item| (&*task, item)))
}
