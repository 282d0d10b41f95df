//! `gateway`: the one port, who may come in, and what is served.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::limits::Limits;
use crate::config::secret::SecretText;
use crate::config::values::{Bind, Port};

/// The one port and what it lets in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Gateway {
    /// `local` runs the gateway here; `remote` makes this machine a client only.
    pub(crate) mode: Option<GatewayMode>,
    /// The port; 0 takes any free one.
    pub(crate) port: Port,
    /// The address: `loopback`, `lan`, `tailnet` or an IP address.
    pub(crate) bind: Bind,
    /// Who may come in.
    pub(crate) auth: Auth,
    /// The older spelling of `auth.token`.
    #[serde(skip_serializing)]
    pub(crate) auth_token: Option<SecretText>,
    /// The older spelling of `auth.password`.
    #[serde(skip_serializing)]
    pub(crate) password: Option<SecretText>,
    /// The HTTP surface.
    pub(crate) http: Http,
    /// Further browser origins that may talk to the gateway.
    pub(crate) allowed_origins: Vec<String>,
    /// Further host names the gateway answers to.
    pub(crate) allowed_hosts: Vec<String>,
    /// How much may be generated for its own token.
    pub(crate) limits: Limits,
    /// How changes of this file are taken up.
    pub(crate) reload: Reload,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            mode: None,
            port: Port::new(18_789),
            bind: Bind::Loopback,
            auth: Auth::default(),
            auth_token: None,
            password: None,
            http: Http::default(),
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            limits: Limits::default(),
            reload: Reload::default(),
        }
    }
}

/// How changes of this file are taken up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Reload {
    /// `hot` takes up by itself what needs no restart; `off` waits to be told, by
    /// `openclaw gateway reload` or a change through the gateway.
    pub(crate) mode: ReloadMode,
}

/// Whether a running gateway looks for changes of this file by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReloadMode {
    /// It does. `hybrid` and `restart` mean the same: this gateway never restarts by itself.
    #[default]
    #[serde(alias = "hybrid", alias = "restart")]
    Hot,
    /// It does not.
    Off,
}

/// Where the gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GatewayMode {
    /// Here.
    Local,
    /// Somewhere else.
    Remote,
}

/// Who may come in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Auth {
    /// Which credential counts; unset means every one given below. `none` only on loopback.
    pub(crate) mode: Option<AuthMode>,
    /// The gateway's token.
    #[serde(skip_serializing)]
    pub(crate) token: Option<SecretText>,
    /// The gateway's password.
    #[serde(skip_serializing)]
    pub(crate) password: Option<SecretText>,
    /// Whether plain HTTP requests from other machines may carry the credential in the query.
    pub(crate) allow_query: bool,
}

/// Which credential counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthMode {
    /// Nobody is asked; loopback only.
    None,
    /// The token.
    Token,
    /// The password.
    Password,
}

/// The HTTP surface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Http {
    /// The compatible endpoints.
    pub(crate) endpoints: Endpoints,
}

/// The compatible endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Endpoints {
    /// `POST /v1/chat/completions`.
    pub(crate) chat_completions: Endpoint,
    /// `POST /v1/responses`.
    pub(crate) responses: Endpoint,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Endpoint {
    /// Whether it is there; `false` answers 404.
    pub(crate) enabled: bool,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { enabled: true }
    }
}
