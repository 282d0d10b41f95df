//! The browser: `browser.screenshot` (C19).

use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `browser.screenshot`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub struct ScreenshotParams {
    pub selector: Option<String>,
    pub full_page: Option<bool>,
}
