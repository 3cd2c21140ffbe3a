//! Awaited messages: the cost of a future compared with the waiting call. The awaiting thread turns the reactor, so
//! no executor or other thread is measured.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use linkspan::{Channel, Payload, Reactor, Timeout};

use super::channel::{START, content, echo, endpoint, options};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::worker::{Work, serve};

/// Runs a future to its end. Nothing else runs in this thread, so a turn of the reactor replaces a waker.
fn block_on<T>(future: impl Future<Output = linkspan::Result<T>>, reactor: &Reactor) -> Result<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Ok(done?);
        }
        reactor.turn(None)?;
    }
}

/// Sends a message and awaits the next one.
struct Awaited {
    to: Channel,
    /// The channel of the awaited message, if it is not the answer of `to`.
    from: Option<Channel>,
    payload: Payload,
    reactor: Reactor,
}

impl Work for Awaited {
    fn once(&mut self) -> Result<()> {
        self.to.send_payload(&self.payload, Timeout::Default)?;
        let came = block_on(self.from.as_ref().unwrap_or(&self.to).recv_async(&self.reactor), &self.reactor)?;
        if came.body().len() == self.payload.body().len() {
            return Ok(());
        }
        Err(format!("{} bytes came", came.body().len()).into())
    }
}

pub fn round_trip(transport: &str, bytes: usize, placement: Placement, spin: u64) -> Result<()> {
    let endpoint = endpoint(transport);
    let options = options(spin)?;
    fork_far(|| echo(&endpoint, placement, &options))?;
    let to = Channel::connect(&endpoint, &options, START)?;
    let mut work = Awaited { to, from: None, payload: content(bytes), reactor: Reactor::new()? };
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}

/// A message from a thread to itself, which has arrived before it is awaited.
pub fn to_itself(transport: &str, bytes: usize) -> Result<()> {
    let endpoint = endpoint(transport);
    let from = Channel::open(&endpoint, &options(0)?, START)?;
    let to = Channel::connect(&endpoint, &options(0)?, START)?;
    pin(Placement::Apart, End::Near)?;
    serve(Awaited { to, from: Some(from), payload: content(bytes), reactor: Reactor::new()? })
}
