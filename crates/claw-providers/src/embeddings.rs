//! `…/embeddings` of servers that speak one of OpenAI's protocols.
//!
//! Always asked for as numbers: every server can write those, and not every one can write base64.

use std::sync::Arc;

use bytes::Bytes;
use claw_core::embedding::{EmbeddingInput, EmbeddingRequest, Embeddings};
use claw_core::provider::{ProviderError, Usage};
use claw_net::Request;
use claw_net::response::BODY_BYTES_MAX;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Method;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::answer::Stopped;
use crate::fault::Fault;
use crate::lenient::null_is_default;
use crate::settings::{BadSettings, Settings};
use crate::source::{Source, Wire, endpoint};

#[derive(Serialize)]
struct Outgoing<'a> {
    model: &'a str,
    input: Input<'a>,
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Texts(&'a [String]),
    Tokens(&'a [Vec<u32>]),
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Entry>,
    #[serde(default, deserialize_with = "null_is_default")]
    usage: Tokens,
}

#[derive(Deserialize)]
struct Entry {
    index: Option<usize>,
    embedding: Vec<f32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokens {
    #[serde(deserialize_with = "null_is_default")]
    prompt_tokens: u64,
}

/// Where a server that is so addressed has them.
pub(crate) fn address(settings: &Settings) -> Result<Url, BadSettings> {
    let Settings { id, base_url, .. } = settings;
    let bad = || BadSettings::BaseUrl { provider: id.clone(), base_url: base_url.clone() };
    endpoint(base_url, &["embeddings"]).ok_or_else(bad)
}

/// Asks `url`, which lies beside the source's own endpoint.
pub(crate) fn embed<W: Wire>(
    source: &Arc<Source<W>>,
    url: &Url,
    request: EmbeddingRequest,
) -> BoxFuture<'static, Result<Embeddings, ProviderError>> {
    let (source, url) = (Arc::clone(source), url.clone());
    async move {
        let outgoing =
            Request { method: Method::POST, url, headers: source.headers.clone(), body: body(&request).into() };
        let failed = |failed| source.stopped(Stopped::Transport(failed));
        let mut response = source.client.send(outgoing).await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(source.refused(&mut response).await);
        }
        let text = response.read_whole(BODY_BYTES_MAX).await.map_err(failed)?;
        read(&text, request.input.len()).map_err(|fault| source.stopped(Stopped::Answer(fault)))
    }
    .boxed()
}

fn body(request: &EmbeddingRequest) -> Bytes {
    let EmbeddingRequest { model, input, dimensions, user } = request;
    let input = match input {
        EmbeddingInput::Texts(texts) => Input::Texts(texts),
        EmbeddingInput::Tokens(lists) => Input::Tokens(lists),
    };
    let outgoing = Outgoing { model, input, encoding_format: "float", dimensions: *dimensions, user: user.as_deref() };
    serde_json::to_vec(&outgoing).expect("texts and numbers can always be written as JSON").into()
}

/// The vectors in the order they were asked for; a server that leaves one out has not answered.
fn read(text: &[u8], wanted: usize) -> Result<Embeddings, Fault> {
    let answer: Answer = serde_json::from_slice(text).map_err(|wrong| Fault::Unreadable(wrong.to_string()))?;
    let Answer { mut data, usage: Tokens { prompt_tokens } } = answer;
    if data.len() != wanted {
        return Err(Fault::Unreadable(format!("{} vectors for {wanted} inputs", data.len())));
    }
    if data.iter().all(|entry| entry.index.is_some()) {
        data.sort_by_key(|entry| entry.index);
    }
    let vectors = data.into_iter().map(|entry| entry.embedding).collect();
    Ok(Embeddings { vectors, usage: Usage { input_tokens: prompt_tokens, ..Usage::default() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_in_the_order_they_were_asked_for_and_none_is_missing() {
        let text = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1.5,-0.25]}],"usage":{"prompt_tokens":3}}"#;
        let read_whole = read(text, 2).unwrap();
        assert_eq!(read_whole.vectors, [vec![1.5, -0.25], vec![2.0]]);
        assert_eq!(read_whole.usage.input_tokens, 3);
        assert_eq!(read(text, 3), Err(Fault::Unreadable("2 vectors for 3 inputs".to_owned())));
        assert!(matches!(read(br#"{"error":"no"}"#, 1), Err(Fault::Unreadable(_))));
    }
}
