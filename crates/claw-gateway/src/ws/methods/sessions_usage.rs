//! `sessions.usage`: what conversations used, and what everything used in a time.

use std::collections::BTreeMap;

use claw_app::models::Models;
use claw_app::{Error, ModelUsed, PageStart, Session, SessionFilter, UsageDay};
use claw_core::Scope;
use claw_core::provider::{Price, Usage};
use claw_wire::ws::gateway::ModelDefaults;
use claw_wire::ws::usage::{
    Aggregates, MessageCounts, ModelUsage, SessionUsage, SessionsUsage, Totals, UsageParams, Used, date_of,
};

use super::usage_cost::{daily, span, totals};
use super::{Call, Method};
use crate::error::Problem;

pub(super) struct SessionsUsed;

impl Method for SessionsUsed {
    const NAME: &'static str = "sessions.usage";
    const SCOPE: Scope = Scope::Read;
    type Params = UsageParams;

    async fn run(call: &Call, params: UsageParams) -> Result<(), Problem> {
        let span = span(call, &params)?;
        let app = &call.doors().app;
        let found = match params.session()? {
            Some(key) => {
                let found = app.sessions.get(call.principal(), &key).await?;
                vec![found.ok_or_else(|| Error::NotFound { what: "session", id: key.to_string() })?]
            }
            None => {
                let limit = params.limit.map(|limit| limit.clamp(1, claw_app::limits::PAGE_MAX));
                let all = SessionFilter::default();
                app.sessions.list(call.principal(), &all, PageStart::Offset(0), limit).await?.items
            }
        };
        let by_session = app.sessions.used_by_model(&found).await?;
        let used = app.usage.daily(call.principal(), span).await?;
        call.answer(&SessionsUsage {
            updated_at: app.now().millis(),
            start_date: date_of(span.first),
            end_date: date_of(span.last),
            sessions: found.iter().map(|session| shown(session, &by_session, &app.models)).collect(),
            totals: totals(used.iter(), &app.models),
            aggregates: Aggregates { by_model: by_model(&used, &app.models), daily: daily(&used, &app.models) },
        });
        Ok(())
    }
}

/// What a conversation used, each of its runs at the price of the model that answered it.
fn shown(session: &Session, used: &[ModelUsed], models: &Models) -> SessionUsage {
    let ModelDefaults { model_provider, model, .. } = ModelDefaults::of(session.model.as_deref(), None);
    let Totals { input, output, cache_read, cache_write, total_tokens, .. } = Totals::of(session.usage, 0, None);
    let own = used.iter().filter(|used| used.session == session.key).map(|used| (used.model.as_str(), used.usage));
    let total_cost = cost((session.model.as_deref(), session.usage), own, |model| models.price_of(model));
    let session_id = session.id.shown();
    SessionUsage {
        key: session.key.to_string(),
        label: session.label.clone(),
        session_id: session_id.clone(),
        updated_at: session.updated_at.millis(),
        agent_id: session.agent.to_string(),
        model_provider,
        model,
        usage: Used {
            session_id,
            first_activity: session.reset_at.unwrap_or(session.created_at).millis(),
            last_activity: session.updated_at.millis(),
            input,
            output,
            cache_read,
            cache_write,
            total_tokens,
            total_cost,
            message_counts: MessageCounts { total: session.message_count },
        },
    }
}

/// What runs cost, and at the price of the last model what was used beside them, as for a summary.
fn cost<'a>(
    (last, all): (Option<&'a str>, Usage),
    runs: impl Iterator<Item = (&'a str, Usage)>,
    price: impl Fn(&str) -> Option<Price>,
) -> u64 {
    let of = |model: &str, usage: Usage| Totals::of(usage, 0, price(model)).total_cost;
    let (sum, told) = runs.fold((0_u64, Usage::default()), |(sum, told), (model, usage)| {
        (sum.saturating_add(of(model, usage)), told.plus(usage))
    });
    sum.saturating_add(last.map_or(0, |last| of(last, all.beyond(told))))
}

fn by_model(days: &[UsageDay], models: &Models) -> Vec<ModelUsage> {
    let mut named: BTreeMap<&str, Vec<&UsageDay>> = BTreeMap::new();
    for row in days {
        named.entry(&row.model).or_default().push(row);
    }
    let shown = |(name, rows): (&str, Vec<&UsageDay>)| {
        let ModelDefaults { model_provider, model, .. } =
            ModelDefaults::of(Some(name).filter(|name| !name.is_empty()), None);
        let count = rows.iter().map(|row| row.runs).sum();
        ModelUsage { provider: model_provider, model, count, totals: totals(rows.into_iter(), models) }
    };
    named.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_costs_what_its_own_model_does() {
        let tokens = |input_tokens| Usage { input_tokens, ..Usage::default() };
        let price = |model: &str| {
            let input = match model {
                "p/dear" => 10_000_000,
                "p/cheap" => 1_000_000,
                _ => return None,
            };
            Some(Price { input, ..Price::default() })
        };
        let runs = [("p/dear", tokens(100)), ("p/cheap", tokens(10)), ("p/unknown", tokens(5)), ("", tokens(1))];
        let of = |last, all| cost((last, tokens(all)), runs.into_iter(), price);
        assert_eq!(of(Some("p/cheap"), 116), 100 * 10 + 10);
        assert_eq!(of(Some("p/cheap"), 120), 100 * 10 + 10 + 4, "a summary beside them");
        assert_eq!(of(None, 120), 100 * 10 + 10);
    }
}
