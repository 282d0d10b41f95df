//! `openclaw devices`: which machines may come in by a key of their own, and which ask to.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use claw_core::Timestamp;
use serde_json::json;

use super::Context;
use super::asking::Asking;
use super::config::print;
use super::terminal::{note, table, time};
use crate::client::answers::{Device, DeviceList, RotatedToken};
use crate::exit::Fatal;

/// Arguments of `openclaw devices`.
#[derive(Debug, Args)]
pub(crate) struct Devices {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List who waits to be paired, and who is
    List(Asking),
    /// Let a device in that waits; it may do what the list says it asks for
    Approve {
        /// The request, as `openclaw devices list` shows it
        #[arg(required_unless_present = "latest")]
        request: Option<String>,
        /// The newest request, whichever that is
        #[arg(long, conflicts_with = "request")]
        latest: bool,
        #[command(flatten)]
        asking: Asking,
    },
    /// Refuse a device that waits
    Reject {
        /// The request, as `openclaw devices list` shows it
        request: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Forget a device; it is disconnected at once
    Remove {
        /// Its id, as `openclaw devices list` shows it
        device: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Give a device a fresh token; it is printed once, and the old one opens nothing any more
    Rotate {
        #[command(flatten)]
        which: Which,
        /// What the fresh token may do; several are possible [default: what the old one may]
        #[arg(long = "scope", value_enum)]
        scopes: Vec<DeviceScope>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Make a device's token worthless, at once
    Revoke {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// The device's id, as `openclaw devices list` shows it
    #[arg(long)]
    device: String,
    /// The token's role
    #[arg(long, default_value = "operator")]
    role: String,
}

/// What a device's token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DeviceScope {
    /// See
    Read,
    /// Start and change work
    Write,
    /// Change the gateway
    Admin,
    /// Decide approvals
    Approvals,
    /// Pair devices
    Pairing,
}

impl DeviceScope {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "operator.read",
            Self::Write => "operator.write",
            Self::Admin => "operator.admin",
            Self::Approvals => "operator.approvals",
            Self::Pairing => "operator.pairing",
        }
    }
}

/// Runs `openclaw devices`.
pub(crate) fn run(devices: Devices, context: &Context) -> Result<ExitCode, Fatal> {
    match devices.action {
        Action::List(asking) => asking.answered(context, "device.pair.list", &json!({}), list),
        Action::Approve { request, latest: _, asking } => approve(context, &asking, request),
        Action::Reject { request, asking } => {
            let done = format!("{request} is refused");
            asking.told(context, "device.pair.reject", &json!({"requestId": request}), &done)
        }
        Action::Remove { device, asking } => {
            let done = format!("{device} is forgotten");
            asking.told(context, "device.pair.remove", &json!({"deviceId": device}), &done)
        }
        Action::Rotate { which: Which { device, role }, scopes, asking } => {
            let mut params = json!({"deviceId": device, "role": role});
            if let (false, Some(fields)) = (scopes.is_empty(), params.as_object_mut()) {
                fields.insert("scopes".to_owned(), scopes.into_iter().map(DeviceScope::name).collect());
            }
            asking.answered(context, "device.token.rotate", &params, rotated)
        }
        Action::Revoke { which: Which { device, role }, asking } => {
            let done = format!("the token of {device} opens nothing any more");
            asking.told(context, "device.token.revoke", &json!({"deviceId": device, "role": role}), &done)
        }
    }
}

fn approve(context: &Context, asking: &Asking, request: Option<String>) -> Result<ExitCode, Fatal> {
    let request = match request {
        Some(request) => request,
        None => {
            let waiting = asking.once(context, "device.pair.list", &json!({}))?;
            let DeviceList { pending, paired: _ } = waiting.read()?;
            let newest = pending.into_iter().next();
            let newest = newest.ok_or_else(|| {
                Fatal::other("no device waits", "connect with it first; `openclaw devices list` shows who waits")
            })?;
            note(&format!("{}: {} ({})", newest.request_id, newest.shown(), newest.scopes()));
            newest.request_id
        }
    };
    asking.told(context, "device.pair.approve", &json!({"requestId": request}), &format!("{request} is approved"))
}

fn rotated(rotated: RotatedToken) -> Result<ExitCode, Fatal> {
    let RotatedToken { device_id, scopes, token } = rotated;
    note(&format!("{device_id} ({}): keep this text, it is not shown again", scopes.join(", ")));
    print(&token)
}

fn list(DeviceList { pending, paired }: DeviceList) -> Result<ExitCode, Fatal> {
    if pending.is_empty() && paired.is_empty() {
        note("no devices; one appears here when it connects");
        return Ok(ExitCode::SUCCESS);
    }
    if !pending.is_empty() {
        note(&format!("{} wait: `openclaw devices approve <request>` lets one in", pending.len()));
        let rows = pending.into_iter().map(waiting_row).collect();
        print(&table(&["REQUEST", "DEVICE", "WHAT", "ASKS FOR", "SINCE (UTC)"], rows))?;
    }
    let rows = paired.into_iter().map(paired_row).collect();
    print(&table(&["DEVICE", "WHAT", "TOKEN MAY", "APPROVED (UTC)", "SEEN (UTC)"], rows))
}

fn waiting_row(device: Device) -> Vec<String> {
    let (what, scopes, since) = (device.shown(), device.scopes(), moment(Some(device.ts)));
    vec![device.request_id, device.device_id, what, scopes, since]
}

fn paired_row(device: Device) -> Vec<String> {
    let token = device.tokens.first();
    let may = match token {
        Some(token) if token.revoked_at_ms.is_none() => crate::client::answers::short(&token.scopes),
        Some(_) => "revoked".to_owned(),
        None => "-".to_owned(),
    };
    let (what, approved, seen) = (device.shown(), moment(Some(device.approved_at_ms)), moment(device.last_seen_at_ms));
    vec![device.device_id, what, may, approved, seen]
}

fn moment(millis: Option<i64>) -> String {
    millis.map_or_else(|| "-".to_owned(), |millis| time(&Timestamp::from_millis(millis).to_string()))
}
