//! A connection's stream with limits on stalled writes and on bytes before a token. A refused client gets time to
//! read the reason.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep, timeout};

use crate::places::Place;
use crate::status::{Counters, add};

/// How long a client may take for the last frames and for its own end.
const LINGER: Duration = Duration::from_secs(2);

pub struct Bounded<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    stream: Option<S>,
    place: Arc<Place>,
    patience: Duration,
    counters: Arc<Counters>,
    until: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Bounded<S> {
    /// Creates a stream whose writes fail after `patience` without progress.
    pub fn new(stream: S, place: Arc<Place>, patience: Duration, counters: Arc<Counters>) -> Bounded<S> {
        Bounded { stream: Some(stream), place, patience, counters, until: None }
    }

    fn bound<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if let Poll::Ready(done) = write(Pin::new(stream), context) {
            self.until = None;
            return Poll::Ready(done);
        }
        let patience = self.patience;
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(until.as_mut().poll(context));
        self.until = None;
        add(&self.counters.unread, 1);
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(Ok(())) };
        let left = this.place.budget.left(context.waker());
        if left == 0 {
            return Poll::Pending;
        }
        ready!(this.place.arriving.poll_room(context));
        if left >= buffer.remaining() {
            let before = buffer.filled().len();
            ready!(Pin::new(stream).poll_read(context, buffer))?;
            let read = buffer.filled().len().saturating_sub(before);
            this.place.budget.take(read);
            this.place.arriving.came(read);
            return Poll::Ready(Ok(()));
        }
        let mut part = vec![0; left];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(stream).poll_read(context, &mut part))?;
        buffer.put_slice(part.filled());
        this.place.budget.take(part.filled().len());
        this.place.arriving.came(part.filled().len());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.bound(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bound(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bound(context, |stream, context| stream.poll_shutdown(context))
    }
}

/// Ends the writing half and discards the rest of the client's bytes.
///
/// Closing a socket with unread bytes sends a reset, and then the client may discard the last answer.
pub async fn end<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let mut part = vec![0; 4_096];
    // Sending the end is best effort.
    let _ = stream.shutdown().await;
    while stream.read(&mut part).await.is_ok_and(|read| read > 0) {}
}

/// Reads and discards the client's bytes for a moment, if the connection lingers.
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Drop for Bounded<S> {
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take().filter(|_| self.place.lingers()) else { return };
        let (place, Ok(runtime)) = (self.place.clone(), Handle::try_current()) else { return };
        runtime.spawn(async move {
            tokio::select! {
                _ = timeout(LINGER, end(&mut stream)) => {}
                () = place.evicted() => {}
            }
        });
    }
}
