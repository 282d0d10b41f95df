//! The thread and its queue with a scripted model; the real one is tested in `llama`.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::message::{Message, Role};

/// Says a word each time the test allows it; the request's first message says how many.
struct Scripted {
    allowed: Mutex<Receiver<()>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    loads: AtomicUsize,
    abandoned: AtomicUsize,
}

impl Backend for Scripted {
    fn with_model(&mut self, path: &Path, serve: &mut dyn FnMut(&mut dyn Model)) -> Result<(), EngineError> {
        if path == Path::new("missing") {
            return Err(EngineError::ModelMissing { path: "missing".to_owned() });
        }
        self.counts.loads.fetch_add(1, Ordering::SeqCst);
        serve(self);
        Ok(())
    }
}

impl Model for Scripted {
    fn generate(&mut self, request: &Request, output: &Output) -> Result<Option<Finish>, EngineError> {
        let text = &request.messages[0].text;
        let words: u32 = text.parse().unwrap_or_else(|_| panic!("{text}"));
        for word in 0..words {
            self.allowed.lock().unwrap().recv().ok();
            if output.is_unwanted() {
                self.counts.abandoned.fetch_add(1, Ordering::SeqCst);
                return Ok(None);
            }
            output.text(format!("{word} "));
        }
        let usage = Usage { answer_tokens: words, ..Usage::default() };
        Ok(Some(Finish { reason: FinishReason::Stop, usage }))
    }
}

struct Setup {
    engine: Engine,
    allow: Sender<()>,
    counts: Arc<Counts>,
}

fn setup(settings: &Settings) -> Setup {
    let (allow, allowed) = channel();
    let counts = Arc::new(Counts::default());
    let backend = Scripted { allowed: Mutex::new(allowed), counts: Arc::clone(&counts) };
    Setup { engine: Engine::start_with(settings, backend).unwrap(), allow, counts }
}

fn words(count: &str) -> Request {
    request("model", count)
}

fn request(model: &str, text: &str) -> Request {
    let messages = vec![Message { role: Role::User, text: text.to_owned() }];
    Request { model: model.into(), session: None, messages, sampling: Sampling::default() }
}

async fn all(mut events: Events) -> (String, Result<Finish, EngineError>) {
    let mut text = String::new();
    loop {
        match events.next().await.expect("a stream ends with its result") {
            Ok(Event::Text(piece)) => text.push_str(&piece),
            Ok(Event::Finished(finish)) => break (text, Ok(finish)),
            Err(error) => break (text, Err(error)),
        }
    }
}

async fn phase(engine: &Engine, wanted: Phase) {
    engine.phases().wait_for(|phase| *phase == wanted).await.unwrap();
}

fn model() -> std::path::PathBuf {
    "model".into()
}

#[tokio::test]
async fn a_request_loads_the_model_once_and_streams() {
    let Setup { engine, allow, counts } = setup(&Settings::default());
    assert_eq!(engine.status(), Status { phase: Phase::Unloaded, waiting: 0 });
    for _ in 0..4 {
        allow.send(()).unwrap();
    }
    let first = engine.generate(words("3")).unwrap();
    let second = engine.generate(words("1")).unwrap();

    let (text, finish) = all(first).await;

    assert_eq!((text.as_str(), finish.unwrap().usage.answer_tokens), ("0 1 2 ", 3));
    assert_eq!(all(second).await.0, "0 ");
    phase(&engine, Phase::Ready { model: model() }).await;
    assert_eq!(counts.loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_idle_model_is_unloaded_and_comes_back() {
    let Setup { engine, counts, .. } = setup(&Settings { idle_unload: Some(Duration::ZERO), ..Settings::default() });
    for loads in 1..=2 {
        all(engine.generate(words("0")).unwrap()).await.1.unwrap();
        phase(&engine, Phase::Unloaded).await;
        assert_eq!(counts.loads.load(Ordering::SeqCst), loads);
    }
}

#[tokio::test]
async fn a_full_queue_refuses_and_says_when_to_come_back() {
    let Setup { engine, allow, .. } = setup(&Settings { queue_requests_max: 2, ..Settings::default() });
    let running = engine.generate(words("1")).unwrap();
    phase(&engine, Phase::Generating { model: model() }).await;
    let waiting = [engine.generate(words("1")).unwrap(), engine.generate(words("1")).unwrap()];

    let refused = engine.generate(words("1")).unwrap_err();

    assert_eq!(refused, EngineError::Overloaded { waiting: 2, retry_after: Duration::from_secs(10) });
    assert_eq!(engine.status().waiting, 2);
    drop(waiting);
    engine.generate(words("1")).expect("requests without a reader make room");
    allow.send(()).unwrap();
    all(running).await.1.unwrap();
}

#[tokio::test]
async fn a_reader_that_leaves_stops_the_model_at_its_next_word() {
    let Setup { engine, allow, counts } = setup(&Settings::default());
    let mut events = engine.generate(words("1000")).unwrap();
    allow.send(()).unwrap();
    assert_eq!(events.next().await, Some(Ok(Event::Text("0 ".to_owned()))));

    drop(events);
    allow.send(()).unwrap();

    phase(&engine, Phase::Ready { model: model() }).await;
    assert_eq!(counts.abandoned.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn another_model_takes_the_place_of_the_first() {
    let Setup { engine, counts, .. } = setup(&Settings::default());
    let first = engine.generate(request("one", "0")).unwrap();
    let second = engine.generate(request("two", "0")).unwrap();
    all(first).await.1.unwrap();
    all(second).await.1.unwrap();
    phase(&engine, Phase::Ready { model: "two".into() }).await;
    assert_eq!(counts.loads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_named_and_the_next_one_works() {
    let Setup { engine, .. } = setup(&Settings::default());
    let refused = all(engine.generate(request("missing", "0")).unwrap()).await.1;
    assert_eq!(refused, Err(EngineError::ModelMissing { path: "missing".to_owned() }));
    all(engine.generate(words("0")).unwrap()).await.1.unwrap();
}

#[tokio::test]
async fn a_panic_ends_one_request_and_not_the_engine() {
    let Setup { engine, counts, .. } = setup(&Settings::default());
    let failed = all(engine.generate(words("not a number")).unwrap()).await.1;
    assert!(matches!(failed, Err(EngineError::Failed { .. })), "{failed:?}");
    all(engine.generate(words("0")).unwrap()).await.1.unwrap();
    assert_eq!(counts.loads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn stopping_ends_the_running_request_and_refuses_the_rest() {
    let Setup { engine, allow, .. } = setup(&Settings::default());
    let running = engine.generate(words("1000")).unwrap();
    phase(&engine, Phase::Generating { model: model() }).await;
    let waiting = engine.generate(words("1")).unwrap();

    let stop = engine.stop();
    tokio::pin!(stop);
    assert!(futures::poll!(&mut stop).is_pending());
    allow.send(()).unwrap();
    stop.await;

    assert_eq!(all(running).await.1, Err(EngineError::Stopped));
    assert_eq!(all(waiting).await.1, Err(EngineError::Stopped));
    assert_eq!(engine.generate(words("1")).unwrap_err(), EngineError::Stopped);
    assert_eq!(engine.status().phase, Phase::Stopped);
}

#[tokio::test]
async fn the_thread_ends_with_its_last_handle() {
    let Setup { engine, .. } = setup(&Settings::default());
    let mut phases = engine.phases();
    drop(engine);
    phases.wait_for(|phase| *phase == Phase::Stopped).await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_thread_has_the_lowest_priority() {
    /// Says its own thread's nice value.
    struct Priority;
    impl Backend for Priority {
        fn with_model(&mut self, _: &Path, serve: &mut dyn FnMut(&mut dyn Model)) -> Result<(), EngineError> {
            serve(self);
            Ok(())
        }
    }
    impl Model for Priority {
        fn generate(&mut self, _: &Request, output: &Output) -> Result<Option<Finish>, EngineError> {
            // A helper that the thread starts, as ggml does, must not be more important.
            let own = rustix::process::getpriority_process(None).unwrap();
            let helper = std::thread::spawn(|| rustix::process::getpriority_process(None).unwrap()).join().unwrap();
            output.text(format!("{own} {helper}"));
            Ok(Some(Finish { reason: FinishReason::Stop, usage: Usage::default() }))
        }
    }
    let engine = Engine::start_with(&Settings::default(), Priority).unwrap();
    assert_eq!(all(engine.generate(words("0")).unwrap()).await.0, "19 19");
    assert!(rustix::process::getpriority_process(None).unwrap() < 19);
}
