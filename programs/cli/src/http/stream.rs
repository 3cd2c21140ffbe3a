//! A connection that ends if its client stops reading, to free its place.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// A TCP connection with a limit on writes without progress.
pub struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write waits.
    until: Option<Pin<Box<Sleep>>>,
    answered: bool,
}

impl Patient {
    pub fn new(stream: TcpStream, patience: Duration) -> Patient {
        Patient { stream, patience, until: None, answered: false }
    }

    /// Sends a refusal before any other response, without waiting.
    pub fn refuse(self, answer: &[u8]) {
        if !self.answered {
            // Without room, the client does not read it.
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
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(patience)));
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
    use tokio::net::TcpSocket;
    use tokio::runtime::Builder;
    use tokio::time::Instant;

    use super::*;

    /// A connection whose buffers hold a part of a MiB, and its client's end.
    async fn connected(patience: Duration) -> (Patient, TcpStream) {
        const BUFFER: u32 = 64 << 10;
        let socket = || {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_send_buffer_size(BUFFER).unwrap();
            socket.set_recv_buffer_size(BUFFER).unwrap();
            socket
        };
        let server = socket();
        server.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = server.listen(1).unwrap();
        let client = socket().connect(listener.local_addr().unwrap()).await.unwrap();
        (Patient::new(listener.accept().await.unwrap().0, patience), client)
    }

    #[test]
    fn client_that_reads_nothing_is_dropped_and_a_slow_one_is_not() {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let much = vec![7; 1 << 20];
            let (mut limited, silent) = connected(Duration::from_millis(200)).await;
            let error = limited.write_all(&much).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            drop(silent);

            // Longer than the kernel's resending, and shorter than the transfer.
            let patience = Duration::from_secs(2);
            let (mut limited, mut slow) = connected(patience).await;
            let reader = tokio::spawn(async move {
                let mut some = vec![0; 16 << 10];
                while slow.read(&mut some).await.is_ok_and(|got| got > 0) {
                    tokio::time::sleep(Duration::from_millis(40)).await;
                }
            });
            let began = Instant::now();
            limited.write_all(&much).await.unwrap();
            assert!(began.elapsed() > patience, "{:?}: the client was not slow", began.elapsed());
            drop(limited);
            reader.await.unwrap();
        });
    }
}
