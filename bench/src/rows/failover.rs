//! Chat completions with one of three providers dead: none may fail, and once the dead one's
//! breaker is open the others' answers may hardly be later than where all are well.

use std::time::Duration;

use super::Bench;
use crate::load::{self, Load, Target, Until};
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target as Reach};
use crate::stats::{median, median_of};

/// The row's name.
pub(super) const ROW: &str = "failover";
const CONNECTIONS: usize = 16;
const WARM_UP: usize = 500;

/// Measures a gateway whose first choice is dead beside one whose first choice lives.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let upstream = bench.mock.base();
    let dead = nobody_listens_at().await?;
    let chain = |first: String| Setup { chain: vec![first, upstream.clone(), upstream.clone()], ..Setup::default() };
    let well = Gateway::start(&bench.binary, &upstream, &chain(upstream.clone())).await?;
    let hurt = Gateway::start(&bench.binary, &upstream, &chain(dead)).await?;
    let targets = [hurt.target(), well.target()];
    for target in &targets {
        // The breaker opens here; a request that fails ends the measurement.
        load::run(target, CONNECTIONS, Until::Sent(WARM_UP), |_| product::chat_with_default()).await?;
    }
    let time = bench.sized(Duration::from_secs(3), Duration::from_secs(1));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..bench.sized(7, 3) {
        let [hurt, well] = &targets;
        ours.push(round(hurt, time).await?);
        theirs.push(round(well, time).await?);
    }
    let added: Vec<f64> =
        ours.iter().zip(&theirs).map(|(ours, theirs)| ours.latency_ms(0.5) - theirs.latency_ms(0.5)).collect();
    let pair = |measure: &str, share: f64, value: f64| {
        let number = |load: &Load| load.latency_ms(share);
        Finding::pair(ROW, measure, (median_of(&ours, number), median_of(&theirs, number)), "ms", value)
    };
    let late: Vec<f64> =
        ours.iter().zip(&theirs).map(|(ours, theirs)| ours.latency_ms(0.99) - theirs.latency_ms(0.99)).collect();
    Ok(vec![
        // A failed request would have ended the row.
        Finding::own(ROW, "failed requests", 0.0, "", Reach::AtMost(0.0)),
        pair("added p50", 0.5, median(&added)).reaching(Reach::AtMost(1.0)),
        pair("added p99", 0.99, median(&late)),
    ])
}

async fn round(target: &Target, time: Duration) -> anyhow::Result<Load> {
    let call = product::chat_with_default();
    load::run(target, CONNECTIONS, Until::Passed(time), move |_| call.clone()).await
}

/// An address that refuses connections.
async fn nobody_listens_at() -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    Ok(format!("http://{}", listener.local_addr()?))
}
