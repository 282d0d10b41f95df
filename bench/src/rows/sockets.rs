//! A crowd that does nothing: what each authenticated socket costs.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::{Bench, with_cpu};
use crate::product::{Gateway, Setup, TOKEN};
use crate::report::{Finding, Target};
use crate::socket::{Room, Socket, raise_descriptors};

/// The row's name.
pub(super) const ROW: &str = "sockets";
/// Connecting at once; a crowd that comes is not what is measured.
const AT_ONCE: usize = 32;
/// What coming cost is over by then.
const CALM: Duration = Duration::from_secs(5);

/// Measures a gateway before and after the crowd came; the crowd lives in this process.
pub(super) async fn measure(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    raise_descriptors()?;
    let gateway = Gateway::start(&bench.binary, &bench.mock.base(), &Setup::default()).await?;
    // What the first sockets make the process keep is not the price of one more.
    drop(crowd(&gateway, AT_ONCE).await?);
    tokio::time::sleep(CALM).await;
    let before_mb = gateway.server.memory_mb()?;
    let count = bench.sized(10_000, 1_000);
    let mut sockets = crowd(&gateway, count).await?;
    tokio::time::sleep(CALM).await;
    let after_mb = gateway.server.memory_mb()?;
    let watched = bench.sized(Duration::from_secs(30), Duration::from_secs(5));
    let ((), cpu_seconds) = with_cpu(&gateway.server, async {
        tokio::time::sleep(watched).await;
        Ok(())
    })
    .await?;
    for socket in &mut sockets {
        socket.call("last-heartbeat", "{}").await?;
    }
    Ok(vec![
        Finding::own(ROW, "memory each", (after_mb - before_mb) * 1e3 / count as f64, "KB", Target::AtMost(16.0)),
        Finding::own(ROW, "held, all still answered", sockets.len() as f64, "", Target::AtLeast(count as f64)),
        Finding::shown(ROW, "CPU, all of them", cpu_seconds * 1e3 / watched.as_secs_f64(), "ms/s"),
        Finding::shown(ROW, "memory, all of it", after_mb, "MB"),
    ])
}

async fn crowd(gateway: &Gateway, count: usize) -> anyhow::Result<Vec<Socket>> {
    let address = gateway.server.address();
    let connects = (0..count).map(|_| Socket::hello(address, TOKEN, Room::Usual));
    stream::iter(connects).buffer_unordered(AT_ONCE).try_collect().await
}
