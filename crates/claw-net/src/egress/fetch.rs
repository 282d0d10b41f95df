//! Pages at addresses that a model names: each step of the way is judged like the first.
//!
//! Redirects are followed here and not by the client, so that each target is parsed, resolved,
//! judged and pinned anew (advisory 38). No header travels that the next host could be told.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION};

use super::guard::{self, Denied, Pinned};
use super::{CourierError, Egress, failed};

/// Redirects followed at most.
const REDIRECTS_MAX: usize = 5;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it was found, after all redirects.
    pub url: String,
    /// The status.
    pub status: u16,
    /// Its media type without parameters, lower case; empty if it says none.
    pub media_type: String,
    /// Its bytes, as far as they were wanted.
    pub body: Vec<u8>,
    /// Whether there were more.
    pub is_cut: bool,
}

impl Egress {
    /// Fetches a page, at most `bytes_max` of it.
    ///
    /// Cancel-safe. Errors: [`CourierError::Refused`] – an address on the way may not be called;
    /// [`CourierError::Failed`] – it could not be had.
    pub async fn get(&self, url: &str, bytes_max: usize) -> Result<Page, CourierError> {
        let limit = self.0.whole_max;
        let late = || CourierError::Failed(format!("no whole answer within {} ms", limit.as_millis()));
        tokio::time::timeout(limit, self.follow(url, bytes_max)).await.unwrap_or_else(|_elapsed| Err(late()))
    }

    async fn follow(&self, url: &str, bytes_max: usize) -> Result<Page, CourierError> {
        let mut next = url.to_owned();
        for _ in 0..=REDIRECTS_MAX {
            let pinned = guard::check(&next, &self.0.allow, &*self.0.lookup).await.map_err(|denied| match denied {
                Denied::Refused(why) => CourierError::Refused(why),
                Denied::Unresolved(_) => CourierError::Failed(denied.to_string()),
            })?;
            let mut response = self.ask(&pinned).await?;
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            match location.filter(|_| response.status().is_redirection()) {
                None => return read(&pinned, &mut response, bytes_max).await,
                Some(location) => {
                    let joined = pinned.url.join(location);
                    next = joined.map_err(|_| CourierError::Refused("a redirect leads nowhere".into()))?.into();
                }
            }
        }
        Err(CourierError::Failed(format!("more than {REDIRECTS_MAX} redirects")))
    }

    async fn ask(&self, pinned: &Pinned) -> Result<reqwest::Response, CourierError> {
        let client = self.client(pinned).await?;
        let mut request = reqwest::Request::new(http::Method::GET, pinned.url.clone());
        let accepted = HeaderValue::from_static("text/html, text/plain, application/json;q=0.9, */*;q=0.5");
        request.headers_mut().insert(ACCEPT, accepted);
        client.execute(request).await.map_err(failed)
    }
}

async fn read(pinned: &Pinned, response: &mut reqwest::Response, bytes_max: usize) -> Result<Page, CourierError> {
    let written = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (status, mut body, mut is_cut) = (response.status().as_u16(), Vec::new(), false);
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        let room = bytes_max - body.len();
        body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if piece.len() > room {
            is_cut = true;
            break;
        }
    }
    Ok(Page { url: pinned.url.to_string(), status, media_type, body, is_cut })
}
