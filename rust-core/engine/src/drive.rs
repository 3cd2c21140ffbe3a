//! Where a thread sleeps that is inside a call: one function for each need, and none calls another. No other file of
//! the engine has a sleep, but for one that a test plants: in debug builds a thread that sleeps inside a call and not
//! in one of these panics, whichever function of `linkspan-os` it has called for that (`sys::sleeping`); those of the
//! standard library are refused by clippy. [`begin`] marks the call.
//!
//! | need | functions |
//! |---|---|
//! | a turn, for a direction or to make a link | `turn`, `next_turn`, `value`, `value_of` |
//! | the answer that another call receives | `turn` |
//! | a link, or a name | `link`, `link_event` |
//! | room in a link, and its end | `space`, `space_event`, `taken_over`, `ended`, `thread_ended` |
//! | acknowledgements of which another thread learns, subscribers | `change` |
//! | data | `data_soon`, `published_soon`, `set`, `link_or_timer`, `events` |
//! | a record in a store | `stored` |
//!
//! Waits end by events. A timer is there where the kernel has none: how much of what a link wrote is on this side
//! (`taken_over`, and by the transport in `ended`), when another program releases a name (by the transport in `link`),
//! and how far a subscriber has read in a ring (among what waits for a `change`).

use std::os::fd::BorrowedFd;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::deadline::{Deadline, Timeout, Wait, Waiting};
use crate::error::Result;
use crate::sys::poll::{self, Epoll, Interest, Ready};
use crate::sys::seat::{InLine, Lease, Permit, Seat, ValueGuard};
use crate::sys::sleeping::{Driven, sleep};
use crate::transport::{Rx, Tx, Waited};

/// The interval at which a flush asks the kernel whether it still has bytes to send.
const HELD_BACK: Duration = Duration::from_millis(2);

/// Begins the wait of a call. `default` applies if the caller gave no time-out.
pub fn begin<'a>(wait: Wait<'a>, default: Timeout) -> Waiting<'a> {
    Waiting::start(wait, default).in_call()
}

/// Waits for the permit of a seat, behind earlier threads; none as soon as `is_done` says so.
///
/// # Errors
/// That of `waiting`; then the permit was not taken.
pub fn turn<'a, T, G>(
    seat: &'a Seat<T, G>,
    waiting: &mut Waiting<'_>,
    is_done: impl FnMut(&mut G) -> bool,
) -> Result<Option<Permit<'a, T, G>>> {
    let _driven = Driven::new();
    seat.acquire_unless(waiting, is_done)
}

/// Gives a seat back for a callback, and waits for it again: see [`Lease::step_aside`].
///
/// # Errors
/// As there.
pub fn next_turn<'a, T, G>(
    lease: Lease<'a, T, G>,
    waiting: &mut impl InLine,
    is_done: impl FnMut(&mut G) -> bool,
) -> Result<Option<Permit<'a, T, G>>> {
    let _driven = Driven::new();
    lease.step_aside(waiting, is_done)
}

/// Waits for the value of a seat, which another step of the library has for a short time.
pub fn value<T, G>(seat: &Seat<T, G>) -> ValueGuard<'_, T, G> {
    let _driven = Driven::new();
    seat.borrow()
}

/// The same with the permit.
pub fn value_of<T, G>(permit: Permit<'_, T, G>) -> Lease<'_, T, G> {
    let _driven = Driven::new();
    permit.take()
}

/// Makes a step of a transport that waits by itself: until a listener answers, a name is free, or a place is open.
pub fn link<R>(step: impl FnOnce() -> R) -> R {
    let _driven = Driven::new();
    step()
}

/// Waits for one of the events after which a link is there, or can be made.
///
/// # Errors
/// `Timeout`; those of the tick.
pub fn link_event(on: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<()> {
    let _driven = Driven::new();
    poll::wait_readable(waiting, on)
}

/// Waits until a link may have room.
///
/// # Errors
/// `Timeout`; `Disconnected`.
pub fn space(tx: &mut Tx, waiting: &mut Waiting<'_>) -> Result<()> {
    let _driven = Driven::new();
    tx.wait_room(waiting)
}

/// Waits for a descriptor that tells of room in a link which another thread may use meanwhile.
///
/// # Errors
/// As [`space`].
pub fn space_event(room: BorrowedFd<'_>, interest: Interest, waiting: &mut Waiting<'_>) -> Result<()> {
    let _driven = Driven::new();
    let what = if interest == Interest::OUT { PollFlags::OUT } else { PollFlags::IN };
    poll::wait_any(waiting, [(room, what)]).map(drop)
}

/// Waits until the peer's side has what was written; returns whether some of it is still on this side.
pub fn taken_over(tx: &Tx, until: Deadline) -> bool {
    let _driven = Driven::new();
    while tx.is_held_back() && !until.has_passed() {
        sleep(HELD_BACK);
    }
    tx.is_held_back()
}

/// Ends writing, and waits until the peer's side has acknowledged that.
pub fn ended(tx: &mut Tx, until: Deadline) {
    let _driven = Driven::new();
    tx.end_acknowledged(until);
}

/// Waits for the end of a thread of the library, which has been told to end.
pub fn thread_ended(thread: JoinHandle<()>) {
    let _driven = Driven::new();
    // A panic of it was reported by the hook of the process.
    let _ = thread.join();
}

/// Waits until something has changed of which other threads learn: what was acknowledged, who subscribes.
///
/// # Errors
/// `Timeout`; those of the tick.
pub fn change(on: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<()> {
    let _driven = Driven::new();
    poll::wait_readable(waiting, on)
}

/// Waits for data as long as the transport has a short wait for it. Otherwise than with [`Waited::Ready`] says whether
/// that was one that replaces the first of the set.
///
/// # Errors
/// Those of the tick.
pub fn data_soon(rx: &mut Rx, waiting: &mut Waiting<'_>) -> Result<Waited> {
    let _driven = Driven::new();
    if rx.spin() || rx.sleep_briefly(waiting)? { Ok(Waited::Ready) } else { rx.read_briefly(waiting) }
}

/// The same for what a publisher sends, without a read that sleeps: nothing else would end that. True where a message
/// may be there.
///
/// # Errors
/// Those of the tick.
pub fn published_soon(rx: &mut Rx, waiting: &mut Waiting<'_>) -> Result<bool> {
    let _driven = Driven::new();
    Ok(rx.spin() || rx.sleep_briefly(waiting)?)
}

/// Sleeps on a set for at most this long; returns true when a signal ended it.
///
/// # Errors
/// Those of the kernel.
pub fn set(epoll: &Epoll, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> Result<bool> {
    let _driven = Driven::new();
    epoll.sleep(timeout, ready)
}

/// Sleeps until a link or a timer is ready, and returns which are; `None` after a signal.
///
/// # Errors
/// Those of the kernel.
pub fn link_or_timer(link: BorrowedFd<'_>, timer: BorrowedFd<'_>) -> Result<Option<[bool; 2]>> {
    let _driven = Driven::new();
    poll::sleep_on_two(link, timer)
}

/// Waits for the events of a set.
///
/// # Errors
/// `Timeout`; those of the tick.
pub fn events(epoll: &Epoll, waiting: &mut Waiting<'_>, ready: &mut Vec<Ready>) -> Result<()> {
    let _driven = Driven::new();
    epoll.wait(waiting, ready)
}

/// Reads or writes a record in a store, once no other program has its lock.
pub fn stored<R>(step: impl FnOnce() -> R) -> R {
    let _driven = Driven::new();
    step()
}
