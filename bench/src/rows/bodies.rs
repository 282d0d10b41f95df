//! Bodies as large as they may be: how much memory one takes on its way through.

use std::time::Duration;

use super::Bench;
use crate::load::{self, Until};
use crate::product::{self, Gateway, Setup};
use crate::report::{Finding, Target as Reach};
use crate::stats::median;

/// The row's name.
pub(super) const ROW: &str = "bodies";
/// Almost the most a body may have.
const BYTES: usize = 10 * 1024 * 1024 - 1024;
/// What is freed late is not the body's.
const REST: Duration = Duration::from_secs(2);

/// Sends one after the other, and looks at the peak of each.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &Setup::default()).await?;
    let (target, server) = (gateway.target(), &gateway.server);
    load::run(&target, 4, Until::Sent(400), |_| product::chat("instant", false)).await?;
    let call = product::long_chat("instant", BYTES);
    let size = call.body.len() as f64 / 1e6;
    let mut connection = target.connect().await?;
    let (mut peaks, mut left) = (Vec::new(), Vec::new());
    for _ in 0..bench.sized(7, 3) {
        tokio::time::sleep(REST).await;
        server.forget_peak()?;
        let before = server.memory_mb()?;
        connection.call(&call).await?;
        tokio::time::sleep(REST).await;
        peaks.push((server.memory_peak_mb()? - before) / size);
        left.push(server.memory_mb()? - before);
    }
    Ok(vec![
        Finding::own(ROW, "peak, in bodies", median(&peaks), "×", Reach::AtMost(3.0)),
        Finding::shown(ROW, "left after it", median(&left), "MB"),
    ])
}
