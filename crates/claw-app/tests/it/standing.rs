//! A question that was asked stands: what was denied, or left undecided, is not done because the rules have become
//! others meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claw_app::limiter::Quotas;
use claw_app::{Compaction, Live};
use claw_core::approval::{ApprovalState, Decision, Reason};
use claw_core::audit::{Door, Kind, Outcome};
use claw_core::permission::{Asking, Permissions, Rules};
use claw_core::run::RunEvent;
use claw_core::task::StateName;
use claw_core::tool::Tool;
use claw_store::AuditFilter;
use claw_testkit::{Reply, Upstream};
use claw_tools::Workspaces;
use claw_tools::notes::WorkspaceNotes;

use crate::approvals::{Counting, open, question};
use crate::house::{Calls, House, SOON, all, catalog, operator, task};

const WAIT: Duration = Duration::from_millis(300);

/// Why somebody is asked, and the tool that is asked for.
struct Case {
    reason: Reason,
    tool: Arc<Counting>,
    page: Arc<Counting>,
}

impl Case {
    fn new(reason: Reason) -> Self {
        let tool = match reason {
            Reason::Tool => Counting::that_asks("exec"),
            Reason::Listed | Reason::Untrusted => Counting::new("exec"),
        };
        Self { reason, tool, page: Arc::new(Counting::of_strangers("web_fetch")) }
    }
    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        vec![Arc::<Counting>::clone(&self.tool), Arc::<Counting>::clone(&self.page)]
    }
    /// The rules that ask.
    fn before(&self) -> Permissions {
        let ask = if self.reason == Reason::Listed { vec!["exec".parse().unwrap()] } else { Vec::new() };
        let asking = Asking { wait: WAIT, ..Asking::default() };
        Permissions { general: Rules { ask, ..Rules::default() }, asking, ..Permissions::default() }
    }
    /// Nobody would be asked any more.
    fn relax(&self, house: &House, upstream: &Upstream, directory: &Path) {
        self.tool.ask_no_more();
        let asking = Asking { wait: WAIT, after_untrusted: false };
        let permissions = Permissions { asking, ..Permissions::default() };
        let catalog = Arc::new(catalog(upstream).with_tools(self.tools(), permissions));
        let workspaces = Arc::new(Workspaces {
            default: directory.join("workspace"),
            agents: Vec::new(),
            api_keys: directory.join("keys"),
        });
        house.app.adopt(Live {
            catalog,
            courier: Calls::default().callbacks().courier,
            webhook_secret: None,
            concurrent_max: 1,
            attempts_default: 3,
            notes: Arc::new(WorkspaceNotes::new(workspaces, Arc::clone(&house.clock) as Arc<dyn claw_core::Clock>)),
            memory_retention: None,
            compaction: Compaction::default(),
            quotas: Quotas::NONE,
        });
    }
}

/// What is said about the question, if anybody says anything.
async fn what_becomes(reason: Reason, said: Option<Decision>) -> (String, u32, ApprovalState, Vec<Outcome>) {
    let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let case = Case::new(reason);
    let house = open(directory.path(), &upstream, case.tools(), case.before()).await;
    let first = (reason == Reason::Untrusted).then(|| Reply::tool_call("web_fetch", "{}"));
    upstream.script(first.into_iter().chain([Reply::tool_call("exec", "{}"), Reply::text("so be it")]));
    let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
    let (_, asked) = question(&house.app, id).await;
    assert_eq!(asked.reason, reason);
    case.relax(&house, &upstream, directory.path());
    match said {
        Some(decision) => {
            house.app.approvals.resolve(&operator(), Door::Http, &asked.id.to_string(), decision).await.unwrap();
        }
        None => house.clock.advance(WAIT),
    }
    let events = all(house.app.tasks.read(id, 0)).await;
    house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
    let result = events.iter().rev().find_map(|event| match &event.event {
        RunEvent::ToolResult { text, .. } => Some(text.to_string()),
        _ => None,
    });
    let state = house.app.approvals.get(&operator(), &asked.id.to_string()).await.unwrap().state;
    let kinds = vec![Kind::ApprovalAsked, Kind::ApprovalDecided, Kind::ApprovalClosed];
    house.store.settled().await.unwrap();
    let rows = house.store.audit(&AuditFilter { kinds, ..AuditFilter::default() }, None, 10).await.unwrap().items;
    let outcomes = rows.into_iter().rev().map(|row| row.entry.outcome).collect();
    let done = case.tool.done();
    house.stop().await;
    (result.unwrap(), done, state, outcomes)
}

/// adv_60: a denial holds, and so does an allowance; each is one call's, whatever the rules ask for by then.
#[tokio::test]
async fn adv_60_what_was_denied_is_not_done_because_the_rules_ask_no_more() {
    for reason in Reason::ALL {
        let denied = what_becomes(reason, Some(Decision::Deny)).await;
        let told = "the call was denied by whoever had to allow it; do not try it in another way".to_owned();
        assert_eq!(
            denied,
            (told, 0, ApprovalState::Denied, vec![Outcome::Done, Outcome::Denied]),
            "{}",
            reason.as_str()
        );
        let allowed = what_becomes(reason, Some(Decision::AllowOnce)).await;
        let outcomes = vec![Outcome::Done, Outcome::Allowed, Outcome::Used];
        assert_eq!(allowed, ("done".to_owned(), 1, ApprovalState::Used, outcomes), "{}", reason.as_str());
    }
}

/// adv_60: nor is what nobody has decided, at its end.
#[tokio::test]
async fn adv_60_what_nobody_decided_is_denied_at_its_end_whatever_the_rules_have_become() {
    for reason in Reason::ALL {
        let expired = what_becomes(reason, None).await;
        let told = "the call was denied: nobody allowed it in time".to_owned();
        let outcomes = vec![Outcome::Done, Outcome::Expired];
        assert_eq!(expired, (told, 0, ApprovalState::Expired, outcomes), "{}", reason.as_str());
    }
}

/// adv_60: nor is it done because the model asks for the very same once more, whatever the rules have become; nobody is asked
/// again for it, and another call is another question.
#[tokio::test]
async fn adv_60_what_was_denied_stays_denied_to_the_run_that_asks_again() {
    for relaxes in [true, false] {
        let (directory, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
        let case = Case::new(Reason::Listed);
        let house = open(directory.path(), &upstream, case.tools(), case.before()).await;
        let call = || Reply::tool_call("exec", "{}");
        upstream.script([call(), call(), Reply::text("so be it")]);
        let id = house.app.tasks.submit(&operator(), task("s", "go")).await.unwrap().id;
        let (_, asked) = question(&house.app, id).await;
        if relaxes {
            case.relax(&house, &upstream, directory.path());
        }
        house.app.approvals.resolve(&operator(), Door::Http, &asked.id.to_string(), Decision::Deny).await.unwrap();
        let done = house.app.tasks.wait(id, SOON).await.unwrap().unwrap();
        assert_eq!((done.state.name(), case.tool.done()), (StateName::Completed, 0), "{relaxes}");
        assert_eq!(house.app.approvals.list(&operator(), false).await.unwrap().len(), 1, "{relaxes}");
        house.stop().await;
    }
}
