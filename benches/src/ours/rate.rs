//! Messages at a fixed rate, over a channel and published.

use std::time::Duration;

use bytes::Bytes;
use linkspan::{Channel, Encoding, ErrorKind, Message, Payload, Publisher, Subscriber, Timeout};

use super::channel::{endpoint, options};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::rate::pace::Stamp;
use crate::rate::{Waits, receive_rounds, serve, shared};

const START: Duration = Duration::from_secs(20);

/// Encoded in advance, as in the rows of round trips.
fn payload(stamp: Stamp) -> Payload {
    Payload::from_bytes(Encoding::Raw, Bytes::copy_from_slice(&stamp.content()))
}

/// Microseconds that a receive call spins.
fn spin(waits: Waits) -> u64 {
    if waits == Waits::Spinning { 100 } else { 0 }
}

/// Receives the next message. A spinning receiver calls in a loop, because a call spins for at most 100 µs, the time
/// between two messages at 10 kHz.
fn next(
    waits: Waits,
    attempt: impl Fn() -> linkspan::Result<Message>,
    wait: impl Fn() -> linkspan::Result<Message>,
) -> Result<Stamp> {
    let message = loop {
        match waits {
            Waits::Parked => break wait()?,
            Waits::Spinning => match attempt() {
                Err(error) if error.kind() == ErrorKind::Empty => std::hint::spin_loop(),
                other => break other?,
            },
        }
    };
    Stamp::read(message.body())
}

pub fn channel(waits: Waits, rate: u64) -> Result<()> {
    let endpoint = endpoint("shm");
    let options = options(spin(waits))?;
    let (near, far) = shared()?;
    fork_far(|| {
        let channel = Channel::open(&endpoint, &options, START)?;
        // Connects before pinning, because ends on one processor would not spin.
        channel.recv(START)?;
        pin(Placement::Apart, End::Far)?;
        receive_rounds(far, || next(waits, || channel.try_recv(), || channel.recv(None)))
    })?;
    let channel = Channel::connect(&endpoint, &options, START)?;
    channel.send_payload(&payload(Stamp::LAST), Timeout::Default)?;
    pin(Placement::Apart, End::Near)?;
    serve(near, rate, payload, |payload| {
        channel.send_payload(&payload, Timeout::Default)?;
        Ok(())
    })
}

/// A ring for a third of a second at 100 kHz, because a publisher does not wait for subscribers.
const RING: usize = 4 << 20;

pub fn published(waits: Waits, rate: u64) -> Result<()> {
    let endpoint = endpoint("shm");
    let options = options(spin(waits))?.with_buffer(RING);
    let (near, far) = shared()?;
    fork_far(|| {
        let subscriber = Subscriber::new(&endpoint, &options)?;
        subscriber.recv(START)?;
        pin(Placement::Apart, End::Far)?;
        receive_rounds(far, || {
            loop {
                // Missing numbers count as lost messages.
                match next(waits, || subscriber.try_recv(), || subscriber.recv(None)) {
                    Err(error) if is_lagged(error.as_ref()) => {}
                    other => return other,
                }
            }
        })
    })?;
    let publisher = Publisher::new(&endpoint, &options)?;
    publisher.wait_for_subscribers(1, START)?;
    publisher.send_payload(&payload(Stamp::LAST))?;
    pin(Placement::Apart, End::Near)?;
    serve(near, rate, payload, |payload| {
        publisher.send_payload(&payload)?;
        Ok(())
    })
}

fn is_lagged(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<linkspan::Error>().is_some_and(|error| error.kind() == ErrorKind::Lagged)
}
