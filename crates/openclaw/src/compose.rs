//! The house put together. A placeholder until the crates can be: it listens and says so.

use std::net::SocketAddr;

use crate::config::credentials::Auth;
use crate::config::settings::Settings;
use crate::exit::Fatal;
use crate::life::Life;

/// Serves until told to stop.
pub(crate) async fn serve(settings: Settings, _auth: Auth, life: Life) -> Result<(), Fatal> {
    let address = SocketAddr::new(settings.gateway.address()?, settings.gateway.port);
    let listener =
        tokio::net::TcpListener::bind(address).await.map_err(|error| Fatal::cannot_listen(address, &error))?;
    let bound = listener.local_addr().map_err(anyhow::Error::from)?;
    life.ready(bound);
    life.shutdown.cancelled().await;
    Ok(())
}
