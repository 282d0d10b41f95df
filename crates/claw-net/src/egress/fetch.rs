//! Pages at addresses that a model names: each step of the way is judged like the first.
//!
//! Redirects are followed here and not by the client, so that each target is parsed, resolved,
//! judged and pinned anew (advisory 38). No header travels that the next host could be told.

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};

use super::guard::{self, Denied, Pinned};
use super::unpack::Unpack;
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
    /// In which letters its server says it is written; empty if it does not.
    pub charset: String,
    /// Its bytes, as far as they were wanted.
    pub body: Vec<u8>,
    /// Whether there were more.
    pub is_cut: bool,
}

/// A question to a service that the operator has named: it may carry a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// Where to.
    pub url: String,
    /// Headers, some of them secret.
    pub headers: Vec<(String, String)>,
    /// What is posted; nothing is, and the question is a `GET`, when absent.
    pub body: Option<Vec<u8>>,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the headers nor the query are for logs.
        f.write_str("Question")
    }
}

impl Egress {
    /// Asks a service; its answer is read up to `bytes_max`.
    ///
    /// No redirect is followed: the key would travel along (advisory 36). Cancel-safe. Errors: as
    /// those of [`Egress::get`].
    pub async fn ask(&self, question: Question, bytes_max: usize) -> Result<Page, CourierError> {
        let limit = self.0.whole_max;
        let late = || CourierError::Failed(format!("no whole answer within {} ms", limit.as_millis()));
        tokio::time::timeout(limit, self.put(question, bytes_max)).await.unwrap_or_else(|_elapsed| Err(late()))
    }

    async fn put(&self, question: Question, bytes_max: usize) -> Result<Page, CourierError> {
        let Question { url, headers, body } = question;
        let mut headers = super::header_map(&headers)?;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let pinned = self.judged(&url).await?;
        let client = self.client(&pinned).await?;
        let method = if body.is_some() { http::Method::POST } else { http::Method::GET };
        let mut request = reqwest::Request::new(method, pinned.url.clone());
        *request.headers_mut() = headers;
        *request.body_mut() = body.map(Into::into);
        let mut response = client.execute(request).await.map_err(failed)?;
        if response.status().is_redirection() {
            return Err(CourierError::Refused("the service redirects; name the address it redirects to".into()));
        }
        read(&pinned, &mut response, bytes_max).await
    }

    pub(super) async fn judged(&self, url: &str) -> Result<Pinned, CourierError> {
        guard::check(url, &self.0.allow, &*self.0.lookup).await.map_err(|denied| match denied {
            Denied::Refused(why) => CourierError::Refused(why),
            Denied::Unresolved(_) => CourierError::Failed(denied.to_string()),
        })
    }

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
            let pinned = self.judged(&next).await?;
            let mut response = self.look(&pinned).await?;
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

    async fn look(&self, pinned: &Pinned) -> Result<reqwest::Response, CourierError> {
        let client = self.client(pinned).await?;
        let mut request = reqwest::Request::new(http::Method::GET, pinned.url.clone());
        let accepted = HeaderValue::from_static("text/html, text/plain, application/json;q=0.9, */*;q=0.5");
        request.headers_mut().insert(ACCEPT, accepted);
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        client.execute(request).await.map_err(failed)
    }
}

async fn read(pinned: &Pinned, response: &mut reqwest::Response, bytes_max: usize) -> Result<Page, CourierError> {
    let written = |name: HeaderName| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let content_type = written(CONTENT_TYPE).to_ascii_lowercase();
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    let mut charsets = parameters.split(';').filter_map(|parameter| parameter.trim().strip_prefix("charset="));
    let charset = charsets.next().unwrap_or_default().trim_matches(['"', '\'', ' ']).to_owned();
    let media_type = media_type.trim().to_owned();
    let status = response.status().as_u16();
    let mut unpack = Unpack::new(&written(CONTENT_ENCODING), bytes_max)?;
    let mut is_begun = false;
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        is_begun = true;
        if !unpack.take(&piece)? {
            break;
        }
    }
    // Nothing at all is not packed either.
    let (body, is_cut) = if is_begun { unpack.end()? } else { (Vec::new(), false) };
    Ok(Page { url: pinned.url.to_string(), status, media_type, charset, body, is_cut })
}
