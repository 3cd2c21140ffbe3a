//! Futures and streams of the calls that wait.
//!
//! Each makes its attempt without waiting and leaves its waker with a [`Reactor`] if there is nothing yet. A message
//! leaves its queue only when the future is ready, so dropping a pending future loses nothing. Time-outs come from the
//! runtime, such as `tokio::time::timeout`.

use std::future::poll_fn;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use crate::channel::{Channel, Listener};
use crate::deadline::Wait;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::message::{Message, Payload};
use crate::publish::Subscriber;
use crate::reactor::{Attempt, Place, Reactor};
use crate::request::{Request, Server};
use crate::sys::poll::Interest;
use crate::sys::timer::Timer;
use crate::value::Source;

/// The pause between attempts while another thread receives. That thread gets the acknowledgements, so no descriptor
/// tells when an attempt can succeed.
const PAUSE: Duration = Duration::from_millis(2);

trait Awaited: Sync {
    fn descriptor(&self) -> BorrowedFd<'_>;
    fn watch(&self) -> Result<()>;
    fn received(&self) -> u64 {
        0
    }
}

impl Awaited for Channel {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn watch(&self) -> Result<()> {
        self.fileno().map(drop)
    }

    fn received(&self) -> u64 {
        self.conn.event_log.received.load(Ordering::Relaxed)
    }
}

impl Awaited for Subscriber {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn watch(&self) -> Result<()> {
        self.fileno().map(drop)
    }
}

impl Awaited for Server {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn watch(&self) -> Result<()> {
        self.fileno().map(drop)
    }
}

impl Awaited for Listener {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn watch(&self) -> Result<()> {
        self.fileno().map(drop)
    }
}

struct Attempts<'a, O, F> {
    object: &'a O,
    place: Place<'a>,
    attempt: F,
    is_watched: bool,
}

impl<'a, O: Awaited, F, T> Attempts<'a, O, F>
where
    F: FnMut(&'a O) -> Result<T>,
{
    fn new(object: &'a O, reactor: &'a Reactor, attempt: F) -> Self {
        Attempts { object, place: reactor.place(object.descriptor().as_raw_fd()), attempt, is_watched: false }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T>> {
        let Attempts { object, place, attempt, is_watched } = self;
        let object: &'a O = object;
        place.attempt(context.waker(), |events| {
            let before = object.received();
            loop {
                match attempt(object) {
                    Err(nothing) if is_nothing(&nothing) => {}
                    done => return done.map(Attempt::Done),
                }
                if std::mem::replace(is_watched, true) {
                    break;
                }
                // Later arrivals make the descriptor readable; the loop looks once more for earlier ones.
                object.watch()?;
            }
            events.arm(object.descriptor(), Interest::IN)?;
            Ok(Attempt::Waits { received: object.received() != before })
        })
    }

    async fn done(mut self) -> Result<T> {
        poll_fn(|context| self.poll(context)).await
    }
}

fn is_nothing(error: &Error) -> bool {
    use ErrorKind::{Empty, NotFound, Stalled, Timeout};
    matches!(error.kind(), Empty | NotFound | Stalled | Timeout)
}

struct Each<'a, O, F>(Attempts<'a, O, F>);

impl<O, F> Unpin for Each<'_, O, F> {}

impl<'a, O: Awaited, F, T> Stream for Each<'a, O, F>
where
    F: FnMut(&'a O) -> Result<Option<T>>,
{
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.0.poll(context).map(Result::transpose)
    }
}

impl Channel {
    /// [`Channel::recv`] as a future without a timeout. It also waits while the peer is away.
    pub fn recv_async<'a>(
        &'a self,
        reactor: &'a Reactor,
    ) -> impl Future<Output = Result<Message>> + Send + 'a {
        Attempts::new(self, reactor, Channel::try_recv).done()
    }

    /// Returns a stream of the messages until the channel is closed.
    pub fn messages_async<'a>(
        &'a self,
        reactor: &'a Reactor,
    ) -> impl Stream<Item = Result<Message>> + Send + Unpin + 'a {
        Each(Attempts::new(self, reactor, |channel: &Channel| {
            if channel.is_closed() { Ok(None) } else { channel.try_recv().map(Some) }
        }))
    }

    /// [`Channel::send`] as a future without a timeout: waits for room.
    ///
    /// Dropped before it is ready, it has sent nothing.
    pub fn send_async<'a, T: Source + ?Sized>(
        &'a self,
        value: &T,
        reactor: &'a Reactor,
    ) -> impl Future<Output = Result<u64>> + Send + use<'a, T> {
        let payload = self.encode(value);
        async move { self.send_payload_async(&payload?, reactor).await }
    }

    /// [`Channel::send_async`] for an encoded value.
    pub fn send_payload_async<'a>(
        &'a self,
        payload: &'a Payload,
        reactor: &'a Reactor,
    ) -> impl Future<Output = Result<u64>> + Send + 'a {
        self.when_room(reactor, Kind::Data, payload, |channel| channel.send_payload(payload, Wait::none()))
    }

    /// [`Channel::call`] as a future without a timeout.
    ///
    /// Any number of calls can run on one channel. Dropping the future withdraws its request, but the server may
    /// already have carried it out.
    pub fn call_async<'a, T: Source + ?Sized>(
        &'a self,
        value: &T,
        reactor: &'a Reactor,
    ) -> impl Future<Output = Result<Message>> + Send + use<'a, T> {
        let payload = self.encode(value);
        async move {
            let payload = payload?;
            let start = |channel: &Channel| channel.start_call(&payload, Wait::none());
            let request = self.when_room(reactor, Kind::Request, &payload, start).await?;
            Attempts::new(self, reactor, |channel: &Channel| channel.finish_call(&request, Wait::none()))
                .done()
                .await
        }
    }

    async fn when_room<T>(
        &self,
        reactor: &Reactor,
        of: Kind,
        payload: &Payload,
        mut attempt: impl FnMut(&Channel) -> Result<T>,
    ) -> Result<T> {
        let mut place = reactor.place(self.descriptor().as_raw_fd());
        // Must stay open while the reactor watches them.
        let (mut room, mut timer) = (None, None);
        poll_fn(|context| {
            let (room, timer) = (&mut room, &mut timer);
            place.attempt(context.waker(), |events| {
                let before = self.received();
                let kind = match attempt(self) {
                    Err(error) if is_nothing(&error) || error.kind() == ErrorKind::Full => error.kind(),
                    done => return done.map(Attempt::Done),
                };
                let of_link = if kind == ErrorKind::Timeout { self.room(true)? } else { None };
                let is_full = kind == ErrorKind::Full;
                if let Some((descriptor, what)) = of_link {
                    events.arm(room.insert(descriptor).as_fd(), what)?;
                } else if self.leave_to_sender(is_full.then_some((of, payload.len())))? {
                    events.arm(self.descriptor(), Interest::IN)?;
                } else {
                    let timer = match timer {
                        Some(timer) => timer,
                        none => none.insert(Timer::new()?),
                    };
                    timer.arm(PAUSE)?;
                    events.arm(timer.as_fd(), Interest::IN)?;
                }
                Ok(Attempt::Waits { received: self.received() != before })
            })
        })
        .await
    }
}

impl Listener {
    /// [`Listener::accept`] as a future without a timeout.
    pub fn accept_async<'a>(
        &'a self,
        reactor: &'a Reactor,
    ) -> impl Future<Output = Result<Channel>> + Send + 'a {
        Attempts::new(self, reactor, |listener: &Listener| listener.accept(Wait::none())).done()
    }
}

impl Subscriber {
    /// [`Subscriber::recv`] as a future without a timeout.
    pub fn recv_async<'a>(
        &'a self,
        reactor: &'a Reactor,
    ) -> impl Future<Output = Result<Message>> + Send + 'a {
        Attempts::new(self, reactor, Subscriber::try_recv).done()
    }

    /// [`Subscriber::next`] as a future without a timeout. Signals do not end it.
    pub fn next_async<'a>(
        &'a self,
        reactor: &'a Reactor,
    ) -> impl Future<Output = Result<Option<Message>>> + Send + 'a {
        Attempts::new(self, reactor, |subscriber: &Subscriber| subscriber.next(Wait::none())).done()
    }

    /// Returns a stream of the messages of [`Subscriber::next`] until the subscriber is closed.
    pub fn messages_async<'a>(
        &'a self,
        reactor: &'a Reactor,
    ) -> impl Stream<Item = Result<Message>> + Send + Unpin + 'a {
        Each(Attempts::new(self, reactor, |subscriber: &Subscriber| subscriber.next(Wait::none())))
    }
}

impl Server {
    /// [`Server::next`] as a future without a timeout. Signals do not end it.
    pub fn next_async<'a>(
        &'a self,
        reactor: &'a Reactor,
    ) -> impl Future<Output = Result<Option<Request>>> + Send + 'a {
        Attempts::new(self, reactor, |server: &Server| server.next(Wait::none())).done()
    }

    /// Returns a stream of the requests until the server is closed.
    pub fn requests_async<'a>(
        &'a self,
        reactor: &'a Reactor,
    ) -> impl Stream<Item = Result<Request>> + Send + Unpin + 'a {
        Each(Attempts::new(self, reactor, |server: &Server| server.next(Wait::none())))
    }
}
