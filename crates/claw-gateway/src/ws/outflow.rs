//! What leaves a socket: whole frames, gathered until the system takes them.
//!
//! Our own frames do not pass through the WebSocket library: its buffer stays as large as the largest
//! frame that ever went through it, which would be most of an idle socket's memory. What the library
//! itself has to say (pongs, closes) is taken here in whole, so that no frame begins inside another.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::{OUTFLOW_BYTES_KEPT, OUTFLOW_BYTES_MAX};

/// First byte of an unfragmented text frame (RFC 6455, section 5.2).
const TEXT: u8 = 0x81;

/// A stream whose writes are gathered.
#[derive(Debug)]
pub(crate) struct Outflow<S> {
    inner: S,
    waiting: Vec<u8>,
    /// How much of it is gone already.
    gone: usize,
}

impl<S> Outflow<S> {
    pub(crate) const fn new(inner: S) -> Self {
        Self { inner, waiting: Vec::new(), gone: 0 }
    }

    /// Adds a text frame; it leaves with the next flush.
    pub(crate) fn put(&mut self, text: &str) {
        self.waiting.reserve(text.len() + 10);
        self.waiting.push(TEXT);
        match (u8::try_from(text.len()), u16::try_from(text.len())) {
            (Ok(short @ 0..=125), _) => self.waiting.push(short),
            (_, Ok(middle)) => {
                self.waiting.push(126);
                self.waiting.extend_from_slice(&middle.to_be_bytes());
            }
            (_, Err(_)) => {
                self.waiting.push(127);
                self.waiting.extend_from_slice(&(text.len() as u64).to_be_bytes());
            }
        }
        self.waiting.extend_from_slice(text.as_bytes());
    }

    /// Whether more is to be gathered before it is sent.
    pub(crate) const fn has_room(&self) -> bool {
        self.waiting.len() < OUTFLOW_BYTES_MAX
    }
}

impl<S: AsyncWrite + Unpin> Outflow<S> {
    /// Sends what waits.
    pub(crate) fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.waiting.get(self.gone..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.inner).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.gone += count,
            }
        }
        self.gone = 0;
        if self.waiting.capacity() > OUTFLOW_BYTES_KEPT {
            self.waiting = Vec::new();
        } else {
            self.waiting.clear();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Outflow<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(context, buffer)
    }
}

/// For the library: what it writes is taken in whole or not at all.
impl<S: AsyncWrite + Unpin> AsyncWrite for Outflow<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outflow = self.get_mut();
        if !outflow.has_room() {
            ready!(outflow.poll_drain(context))?;
        }
        outflow.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outflow = self.get_mut();
        ready!(outflow.poll_drain(context))?;
        Pin::new(&mut outflow.inner).poll_flush(context)
    }
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outflow = self.get_mut();
        ready!(outflow.poll_drain(context))?;
        Pin::new(&mut outflow.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tokio::io::AsyncWriteExt;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    #[tokio::test]
    async fn a_client_reads_frames_of_every_length_class_in_order() {
        let (near, far) = tokio::io::duplex(1000);
        let texts: Vec<String> = [0, 125, 126, 65_535, 65_536].map(|length| "x".repeat(length)).into();
        let mut outflow = Outflow::new(near);
        for text in &texts {
            outflow.put(text);
        }
        let reader = async {
            let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
            for text in &texts {
                assert_eq!(client.next().await.unwrap().unwrap(), Message::text(text.as_str()));
            }
        };
        let (flushed, ()) = tokio::join!(outflow.flush(), reader);
        flushed.unwrap();
        assert_eq!(outflow.waiting.capacity(), 0, "what a large frame needed is given back");
    }

    #[tokio::test]
    async fn what_the_library_says_does_not_begin_inside_a_frame() {
        let (near, far) = tokio::io::duplex(10);
        let mut outflow = Outflow::new(near);
        outflow.put("a text that needs more room than there is");
        let begun = std::future::poll_fn(|context| Poll::Ready(outflow.poll_drain(context))).await;
        assert!(begun.is_pending());
        // A pong, unmasked and empty.
        outflow.write_all(&[0x8a, 0]).await.unwrap();
        let reader = async {
            let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
            [client.next().await.unwrap().unwrap(), client.next().await.unwrap().unwrap()]
        };
        let (flushed, read) = tokio::join!(outflow.flush(), reader);
        flushed.unwrap();
        assert_eq!(read[0], Message::text("a text that needs more room than there is"));
        assert_eq!(read[1], Message::Pong(Default::default()));
    }
}
