//! The port's laws on a scripted engine.

use std::path::Path;
use std::sync::Arc;

use claw_core::message::JsonText;
use claw_core::provider::ToolSpec;

use super::*;
use crate::engine::{Backend, Model, Output, Phase, Usage};

/// Repeats its request in words, so that the tests see what reached the engine.
struct Repeats;

impl Backend for Repeats {
    fn with_model(&mut self, path: &Path, serve: &mut dyn FnMut(&mut dyn Model)) -> Result<(), EngineError> {
        if path.ends_with("broken.gguf") {
            return Err(EngineError::ModelUnusable { path: "broken".to_owned(), reason: "it is broken".to_owned() });
        }
        serve(self);
        Ok(())
    }
}

impl Model for Repeats {
    fn generate(&mut self, request: &Request, output: &Output) -> Result<Option<Finish>, EngineError> {
        output.text(format!("{} {:?}", request.model.display(), request.session));
        for Message { role, text } in &request.messages {
            output.text(format!(" | {role:?}: {text}"));
        }
        let answer_tokens = request.sampling.answer_tokens_max.unwrap_or_default();
        let usage = Usage { prompt_tokens: 9, cached_prompt_tokens: 4, answer_tokens };
        Ok(Some(Finish { reason: FinishReason::Length, usage }))
    }
}

fn provider(settings: &Settings) -> EmbeddedProvider {
    EmbeddedProvider::new(Engine::start_with(settings, Repeats).unwrap(), Folder::new("/models"), settings)
}

fn request(model: &str) -> ModelRequest {
    ModelRequest {
        model: model.to_owned(),
        messages: Arc::new([core_message::Message::user("hi")]),
        tools: Arc::new([]),
        tool_choice: ToolChoice::Auto,
        sampling: port::Sampling { max_tokens: Some(7), ..port::Sampling::default() },
        thinking: None,
        conversation: "agent:main:main".to_owned(),
        stream: true,
    }
}

async fn all(request: ModelRequest) -> Vec<Result<ModelEvent, ProviderError>> {
    provider(&Settings::default()).stream(request).collect().await
}

fn refusal(events: Vec<Result<ModelEvent, ProviderError>>) -> String {
    match events.as_slice() {
        [Err(ProviderError::Unsupported { cause, .. })] => cause.clone(),
        other => panic!("{other:?}"),
    }
}

fn text(events: &[Result<ModelEvent, ProviderError>]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        Ok(ModelEvent::Text(text)) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

const HI: &str = "/models/SmolLM2-135M-Instruct.Q4_1.gguf Some(\"agent:main:main\") | User: hi";

#[tokio::test]
async fn an_answer_ends_with_its_usage_and_its_reason() {
    let usage = ModelEvent::Usage(port::Usage {
        input_tokens: 9,
        output_tokens: 7,
        cached_tokens: 4,
        ..port::Usage::default()
    });
    let end = [Ok(usage), Ok(ModelEvent::Done(port::FinishReason::Length))];

    let streamed = all(request("smollm2-135m")).await;
    let whole = all(ModelRequest { stream: false, ..request("smollm2-135m") }).await;

    assert_eq!((streamed.len(), text(&streamed).as_str()), (4, HI));
    assert_eq!(streamed[2..], end);
    assert_eq!(whole, [&[Ok(ModelEvent::Text(HI.to_owned()))], end.as_slice()].concat());
}

#[tokio::test]
async fn nothing_is_queued_before_the_first_poll() {
    let provider = provider(&Settings::default());
    let stream = provider.stream(request("smollm2-135m"));
    assert_eq!(provider.engine.status().phase, Phase::Unloaded);
    drop(stream);
    assert_eq!(provider.engine.status().waiting, 0);
}

#[tokio::test]
async fn roles_are_kept_and_what_only_called_tools_is_left_out() {
    let call = core_message::ToolCall { id: "1".into(), name: "time".into(), arguments: JsonText::new("{}") };
    let messages = Arc::new([
        core_message::Message::System { text: "be kind".into() },
        core_message::Message::user("time?"),
        core_message::Message::assistant("", vec![call]),
        core_message::Message::Tool { call_id: "1".into(), text: "noon".into(), is_error: false },
        core_message::Message::assistant("noon", vec![]),
        core_message::Message::user("thanks"),
    ]);
    let events = all(ModelRequest { messages, conversation: String::new(), ..request("mine") }).await;
    assert_eq!(
        text(&events),
        "/models/mine.gguf None | System: be kind | User: time? | User: noon | Assistant: noon | User: thanks"
    );
}

#[tokio::test]
async fn what_it_cannot_do_is_refused_in_words() {
    let tool = ToolSpec::new("t", "d", JsonText::new("{}"));
    let tools: Arc<[ToolSpec]> = Arc::new([tool]);
    let forced = ModelRequest { tools: Arc::clone(&tools), tool_choice: ToolChoice::Required, ..request("") };
    let offered = ModelRequest { tools, ..request("") };
    let format = |json: &str| {
        let response_format = Some(JsonText::new(json));
        ModelRequest { sampling: port::Sampling { response_format, ..port::Sampling::default() }, ..request("") }
    };
    let image = core_message::Message::User { content: vec![Part::image("data:,")] };

    assert!(refusal(all(forced).await).contains("no tools"));
    assert_eq!(text(&all(offered).await), HI);
    assert!(refusal(all(format(r#"{"type":"json_object"}"#)).await).contains("no output format"));
    assert_eq!(text(&all(format(r#"{"type":"text"}"#)).await), HI);
    assert!(refusal(all(ModelRequest { messages: Arc::new([image]), ..request("") }).await).contains("no images"));
    assert!(refusal(all(ModelRequest { messages: Arc::new([]), ..request("") }).await).contains("needs a message"));
    assert!(refusal(all(request("broken")).await).contains("it is broken"));
}

#[tokio::test]
async fn a_client_cannot_name_a_file_but_the_owner_can() {
    assert!(refusal(all(request("/etc/passwd")).await).contains("no model called `/etc/passwd`"));
    assert!(refusal(all(request("../secret")).await).contains("no model called"));

    let settings = Settings { model: "/weights/own.gguf".to_owned(), ..Settings::default() };
    let provider = provider(&settings);
    for model in ["", "/weights/own.gguf"] {
        let events: Vec<_> = provider.stream(request(model)).collect().await;
        assert!(text(&events).starts_with("/weights/own.gguf "), "{events:?}");
    }
}

#[tokio::test]
async fn it_announces_that_it_has_no_tools() {
    let settings = Settings { model: "mine".to_owned(), ..Settings::default() };
    let provider = provider(&settings);
    assert_eq!(provider.id(), "embedded");
    let models: Vec<(String, bool)> = provider.models().into_iter().map(|model| (model.name, model.tools)).collect();
    let built = [("smollm2-135m".to_owned(), false), ("mine".to_owned(), false)];
    assert_eq!(models, if Engine::is_built() { built.as_slice() } else { &[] });
}

#[tokio::test]
async fn a_full_queue_is_busy_and_a_stopped_engine_unreachable() {
    let settings = Settings { queue_requests_max: 0, ..Settings::default() };
    let provider = provider(&settings);
    let busy: Vec<_> = provider.stream(request("")).collect().await;
    assert!(matches!(busy.as_slice(), [Err(ProviderError::Busy { waiting: 0, .. })]), "{busy:?}");
    provider.engine.stop().await;
    let stopped: Vec<_> = provider.stream(request("")).collect().await;
    assert!(matches!(stopped.as_slice(), [Err(ProviderError::Unreachable { .. })]), "{stopped:?}");
}

#[cfg(not(feature = "llama"))]
#[tokio::test]
async fn a_build_without_the_engine_says_so() {
    let settings = Settings::default();
    let provider = EmbeddedProvider::new(Engine::start(&settings).unwrap(), Folder::new("/models"), &settings);
    let events: Vec<_> = provider.stream(request("")).collect().await;
    assert!(refusal(events).contains("this build has no embedded engine"));
}
