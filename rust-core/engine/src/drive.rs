//! The sleeps of calls: one function for each reason to sleep. These functions do not call each other.
//!
//! No other file of the engine sleeps. In debug builds, `sys::sleeping` panics if a thread sleeps inside a call but
//! outside these functions; a test plants such a sleep. Clippy refuses the sleeping functions of the standard library.
//! [`begin`] marks the call.
//!
//! | need | functions |
//! |---|---|
//! | a turn, for a direction or to make a link | `turn`, `next_turn`, `value`, `value_of` |
//! | the answer that another call receives | `turn` |
//! | a link, or a name | `link`, `link_event` |
//! | room in a link, and its end | `space`, `space_event`, `taken_over`, `ended`, `thread_ended` |
//! | acknowledgements and subscribers that another thread handles | `change` |
//! | data | `data_soon`, `published_soon`, `set`, `link_or_timer`, `events` |
//! | a record in a store | `stored` |
//!
//! Events end the waits. Timers cover three conditions that no kernel event reports:
//!
//! - the bytes of a link that are still on this side (`taken_over`; the transport in `ended`),
//! - another program releases a name (the transport in `link`),
//! - how far a subscriber has read in a ring (part of `change`).

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

const HELD_BACK: Duration = Duration::from_millis(2);

/// Begins the wait of a call. `default` applies if the caller gave no timeout.
pub fn begin<'a>(wait: Wait<'a>, default: Timeout) -> Waiting<'a> {
    Waiting::start(wait, default).in_call()
}

/// Waits in line for the permit of a seat. Returns `None` as soon as `is_done` returns true. After an error the permit
/// is not taken.
pub fn turn<'a, T, G>(
    seat: &'a Seat<T, G>,
    waiting: &mut Waiting<'_>,
    is_done: impl FnMut(&mut G) -> bool,
) -> Result<Option<Permit<'a, T, G>>> {
    let _driven = Driven::new();
    seat.acquire_unless(waiting, is_done)
}

/// Gives a seat back for a callback, then waits for it again: see [`Lease::step_aside`].
pub fn next_turn<'a, T, G>(
    lease: Lease<'a, T, G>,
    waiting: &mut impl InLine,
    is_done: impl FnMut(&mut G) -> bool,
) -> Result<Option<Permit<'a, T, G>>> {
    let _driven = Driven::new();
    lease.step_aside(waiting, is_done)
}

/// Waits for the value of a seat, which another step of the library holds for a short time.
pub fn value<T, G>(seat: &Seat<T, G>) -> ValueGuard<'_, T, G> {
    let _driven = Driven::new();
    seat.borrow()
}

pub fn value_of<T, G>(permit: Permit<'_, T, G>) -> Lease<'_, T, G> {
    let _driven = Driven::new();
    permit.take()
}

/// Makes a step of a transport that itself waits for a listener's answer, a free name, or a free place.
pub fn link<R>(step: impl FnOnce() -> R) -> R {
    let _driven = Driven::new();
    step()
}

/// Waits for an event after which a link exists or can be made.
pub fn link_event(on: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<()> {
    let _driven = Driven::new();
    poll::wait_readable(waiting, on)
}

/// Waits until a link may have room.
pub fn space(tx: &mut Tx, waiting: &mut Waiting<'_>) -> Result<()> {
    let _driven = Driven::new();
    tx.wait_room(waiting)
}

/// Waits for room in a link by its descriptor, while other threads may use the link.
pub fn space_event(room: BorrowedFd<'_>, interest: Interest, waiting: &mut Waiting<'_>) -> Result<()> {
    let _driven = Driven::new();
    let what = if interest == Interest::OUT { PollFlags::OUT } else { PollFlags::IN };
    poll::wait_any(waiting, [(room, what)]).map(drop)
}

/// Waits until the peer's side has the written bytes. Returns whether some are still on this side.
pub fn taken_over(tx: &Tx, until: Deadline) -> bool {
    let _driven = Driven::new();
    while tx.is_held_back() && !until.has_passed() {
        sleep(HELD_BACK);
    }
    tx.is_held_back()
}

/// Ends writing and waits until the peer's side has acknowledged the end.
pub fn ended(tx: &mut Tx, until: Deadline) {
    let _driven = Driven::new();
    tx.end_acknowledged(until);
}

pub fn thread_ended(thread: JoinHandle<()>) {
    let _driven = Driven::new();
    let _ = thread.join();
}

/// Waits for a change that another thread reports: acknowledgements, subscribers.
pub fn change(on: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<()> {
    let _driven = Driven::new();
    poll::wait_readable(waiting, on)
}

/// Waits for data as long as the transport has a short wait. The result, unless [`Waited::Ready`], tells whether this
/// wait replaces the first wait of the set.
pub fn data_soon(rx: &mut Rx, waiting: &mut Waiting<'_>) -> Result<Waited> {
    let _driven = Driven::new();
    if rx.spin() || rx.sleep_briefly(waiting)? { Ok(Waited::Ready) } else { rx.read_briefly(waiting) }
}

/// Waits briefly for a published message. Returns true if one may have arrived. Does not use a read that sleeps,
/// because nothing would end it.
pub fn published_soon(rx: &mut Rx, waiting: &mut Waiting<'_>) -> Result<bool> {
    let _driven = Driven::new();
    Ok(rx.spin() || rx.sleep_briefly(waiting)?)
}

/// Sleeps on a set for at most this time. Returns true if a signal ended the sleep.
pub fn set(epoll: &Epoll, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> Result<bool> {
    let _driven = Driven::new();
    epoll.sleep(timeout, ready)
}

/// Sleeps until a link or a timer is ready, and returns which are. `None` after a signal.
pub fn link_or_timer(link: BorrowedFd<'_>, timer: BorrowedFd<'_>) -> Result<Option<[bool; 2]>> {
    let _driven = Driven::new();
    poll::sleep_on_two(link, timer)
}

pub fn events(epoll: &Epoll, waiting: &mut Waiting<'_>, ready: &mut Vec<Ready>) -> Result<()> {
    let _driven = Driven::new();
    epoll.wait(waiting, ready)
}

/// Reads or writes a record in a store, after other programs have released its lock.
pub fn stored<R>(step: impl FnOnce() -> R) -> R {
    let _driven = Driven::new();
    step()
}
