//! What is sent with a request: whole, or written while it is sent, and then held nowhere.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;

/// A piece of what is written while it is sent.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait to be sent; the writer waits with the next.
const PIECES_MAX: usize = 2;

/// A request's body.
pub struct RequestBody(pub(super) Form);

pub(super) enum Form {
    Whole(Bytes),
    Written {
        /// Not sent yet.
        left: u64,
        pieces: mpsc::Receiver<Bytes>,
    },
}

impl RequestBody {
    /// What `write` writes, as often as it is asked. It is asked twice, on a thread where it may take its time:
    /// once to learn how long it is, and once while it is sent.
    ///
    /// Errors: those of `write`, of the first time.
    pub async fn written<E, F>(write: F) -> Result<Self, E>
    where
        E: From<io::Error> + Send + 'static,
        F: Fn(&mut dyn Write) -> Result<(), E> + Send + 'static,
    {
        let counted = tokio::task::spawn_blocking(move || {
            let mut length = Length(0);
            write(&mut length).map(|()| (length.0, write))
        });
        let (left, write) = counted.await.map_err(io::Error::other)??;
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        drop(tokio::task::spawn_blocking(move || {
            let mut pieces = BufWriter::with_capacity(PIECE_BYTES, Pieces(sender));
            // Whoever broke off knows why; a body that ends too early is noticed by the client.
            let _heard = write(&mut pieces).is_ok() && pieces.flush().is_ok();
        }));
        Ok(Self(Form::Written { left, pieces }))
    }

    /// Whether nothing is sent.
    pub fn is_empty(&self) -> bool {
        self.left() == 0
    }

    fn left(&self) -> u64 {
        match &self.0 {
            Form::Whole(bytes) => bytes.len() as u64,
            Form::Written { left, .. } => *left,
        }
    }
}

impl Default for RequestBody {
    fn default() -> Self {
        Self(Form::Whole(Bytes::new()))
    }
}

impl<T: Into<Bytes>> From<T> for RequestBody {
    fn from(bytes: T) -> Self {
        Self(Form::Whole(bytes.into()))
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestBody").field(&self.left()).finish()
    }
}

impl hyper::body::Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut self.0 {
            Form::Whole(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Form::Written { left, pieces } => {
                let piece = ready!(pieces.poll_recv(context));
                *left = left.saturating_sub(piece.as_ref().map_or(0, |piece| piece.len() as u64));
                piece
            }
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

/// Counts what is written.
struct Length(u64);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands on what is written.
struct Pieces(mpsc::Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What is long comes past the buffer, and in one.
        let piece = bytes.get(..PIECE_BYTES).unwrap_or(bytes);
        self.0.blocking_send(Bytes::copy_from_slice(piece)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(piece.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
