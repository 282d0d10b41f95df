//! A ready socket both ways: what waits in its outbox goes out, what comes in is text or the end.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use futures::StreamExt;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Socket;
use super::handshake::Close;
use super::opening::{Incoming, of_error, of_message};
use super::outbox::{Next, Outbox};

/// What a socket brought.
pub(crate) enum Turn {
    /// A frame.
    Text(Utf8Bytes),
    /// The box was too full for news, and has room again.
    Relieved,
    /// Its end; close it with this, if there is somebody to tell.
    Ended(Option<Close>),
}

/// The socket of one connection.
pub(crate) struct Pipe {
    socket: Socket,
}

impl Pipe {
    pub(crate) const fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// The socket, for its last words.
    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }

    /// Sends what waits until something comes. Cancel-safe.
    pub(crate) async fn turn(&mut self, outbox: &Outbox) -> Turn {
        let is_crowded = !outbox.has_room();
        // Whoever fills the box while this does not wait need not wake it: it looks before it waits.
        let _unheard = outbox.listening();
        poll_fn(|context| {
            if let Poll::Ready(ended) = self.poll_send(context, outbox) {
                return Poll::Ready(Turn::Ended(ended));
            }
            if is_crowded && outbox.has_room() {
                return Poll::Ready(Turn::Relieved);
            }
            self.poll_read(context)
        })
        .await
    }

    /// Ready when there is a reason to close; none when the socket is broken.
    fn poll_send(&mut self, context: &mut Context<'_>, outbox: &Outbox) -> Poll<Option<Close>> {
        let outflow = self.socket.get_mut().inner();
        loop {
            let (mut close, mut is_empty) = (None, false);
            while outflow.has_room() && close.is_none() && !is_empty {
                match outbox.poll_next(context) {
                    Poll::Ready(Next::Frame(text)) => outflow.put(&text),
                    Poll::Ready(Next::Close(reason)) => close = Some(reason),
                    Poll::Pending => is_empty = true,
                }
            }
            if ready!(outflow.poll_drain(context)).is_err() {
                return Poll::Ready(None);
            }
            if close.is_some() {
                return Poll::Ready(close);
            }
            if is_empty {
                return Poll::Pending;
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Turn> {
        loop {
            return Poll::Ready(match ready!(self.socket.poll_next_unpin(context)).map(|read| read.map(of_message)) {
                Some(Ok(Incoming::Text(text))) => Turn::Text(text),
                Some(Ok(Incoming::Nothing)) => continue,
                Some(Ok(Incoming::Close)) | None => Turn::Ended(None),
                // The library reads nothing after an error, so there is nothing to wait for.
                Some(Err(error)) => Turn::Ended(Some(of_error(&error))),
            });
        }
    }
}
