//! What a gateway costs that does nothing.

use std::time::Duration;

use super::{Bench, with_cpu};
use crate::client::Call;
use crate::product::{Gateway, Setup};
use crate::report::{Finding, Target};

/// The row's name.
pub(super) const ROW: &str = "idle";
/// Start-up work is over by then.
const CALM: Duration = Duration::from_secs(3);

/// Measures a fresh gateway that has answered one request.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &Setup::default()).await?;
    gateway.target().connect().await?.call(&Call::get("/health")).await?;
    tokio::time::sleep(CALM).await;
    let watched = bench.sized(Duration::from_secs(10), Duration::from_secs(2));
    let ((), cpu_seconds) = with_cpu(&gateway.server, async {
        tokio::time::sleep(watched).await;
        Ok(())
    })
    .await?;
    Ok(vec![
        Finding::own(ROW, "memory", gateway.server.memory_mb()?, "MB", Target::AtMost(40.0)),
        Finding::shown(ROW, "CPU", cpu_seconds * 1e3 / watched.as_secs_f64(), "ms/s"),
    ])
}
