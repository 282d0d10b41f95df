//! `browser.screenshot` (C19): there is no browser yet.

use claw_core::Scope;
use claw_wire::ws::browser::ScreenshotParams;
use http::StatusCode;

use super::{Call, Method};
use crate::error::Problem;

pub(super) struct BrowserScreenshot;

impl Method for BrowserScreenshot {
    const NAME: &'static str = "browser.screenshot";
    const SCOPE: Scope = Scope::Write;
    type Params = ScreenshotParams;

    async fn run(_call: &Call, _no_page_to_show: ScreenshotParams) -> Result<(), Problem> {
        let none = Problem::new(StatusCode::NOT_IMPLEMENTED, "not_configured", "browser is not configured");
        Err(Problem { is_retryable: Some(false), ..none })
    }
}
