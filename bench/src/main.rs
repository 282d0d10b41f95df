//! The numbers: the product beside minimal references, against the same mock upstream.
//!
//! Four kinds of processes, so that each one's CPU can be told apart: the mock upstream
//! ([`mock`]), the references ([`proxy`], [`queue`], [`echo`]), the gateway itself ([`product`]), and this
//! driver, which makes the load ([`load`]) and prints the table ([`report`]). Sides that are
//! compared run in alternation, so that a noisy machine hits both.
//!
//! - [`options`] the command line; [`rows`] one file per row of the table
//! - [`process`] a measured process; [`serving`] what the references share; [`client`] one connection, [`socket`] one WebSocket; [`stats`] medians and percentiles
//!
//! The references share the allocator with the product; otherwise it would be what is measured.

#![expect(
    clippy::disallowed_methods,
    reason = "a load generator outside the product: it spawns, reads the clock and calls servers as a stranger would"
)]

mod client;
mod echo;
mod load;
mod mock;
mod options;
mod process;
mod product;
mod proxy;
mod queue;
mod report;
mod rows;
mod serving;
mod socket;
mod stats;

use std::process::ExitCode;

use options::{Command, Role};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let command = match options::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(wrong) => {
            eprintln!("{wrong}\n{}", options::USAGE);
            return Ok(ExitCode::from(64));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Help => println!("{}", options::USAGE),
            Command::Serve(Role::Mock) => mock::serve().await?,
            Command::Serve(Role::Proxy { upstream }) => proxy::serve(upstream).await?,
            Command::Serve(Role::Echo) => echo::serve().await?,
            Command::Serve(Role::Queue { upstream, database, operations_per_commit }) => {
                queue::serve(upstream, &database, operations_per_commit).await?;
            }
            Command::Measure(asked) => return rows::measure(&asked).await,
        }
        Ok(ExitCode::SUCCESS)
    })
}
