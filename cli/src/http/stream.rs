//! A connection that ends when its client reads nothing for a while, so that no client occupies a place by not reading.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// A TCP connection with a bound on how long a write may make no progress.
pub struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write waits.
    until: Option<Pin<Box<Sleep>>>,
    answered: bool,
}

impl Patient {
    /// Ends writes that have made no progress for this long.
    pub fn new(stream: TcpStream, patience: Duration) -> Patient {
        Patient { stream, patience, until: None, answered: false }
    }

    /// Sends the refusal to a client before any other response; does not read or wait.
    pub fn refuse(self, answer: &[u8]) {
        if !self.answered {
            // It fits into the kernel's buffer, or the client does not read it.
            let _ = self.stream.try_write(answer);
        }
    }

    fn bound<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = write(Pin::new(&mut self.stream), context) {
            self.until = None;
            return Poll::Ready(done);
        }
        let patience = self.patience;
        let until = self.until.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.answered = true;
        self.bound(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bound(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bound(context, |stream, context| stream.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn client_that_reads_nothing_is_dropped_and_a_slow_one_is_not() {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let mut limited = Patient::new(stream, Duration::from_millis(200));
            let much = vec![7; 1 << 20];
            // There is no reader, so the kernel's buffers fill up, whatever their size.
            let left = loop {
                if let Err(error) = limited.write_all(&much).await {
                    break error;
                }
            };
            assert_eq!(left.kind(), io::ErrorKind::TimedOut);
            let mut some = vec![0; 1 << 20];
            let slow = tokio::spawn(async move {
                while other.read(&mut some).await.is_ok_and(|got| got > 0) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            limited.until = None;
            for _ in 0..8 {
                limited.write_all(&much).await.unwrap();
            }
            drop(limited);
            slow.await.unwrap();
        });
    }
}
