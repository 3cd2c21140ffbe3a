//! What a call makes of what it receives, and how it has the receiving direction meanwhile: the two things in which the
//! users of the loop (`pump`) differ, apart from [`Reads`].

use std::ops::DerefMut;

use super::{Reads, Receiving, Turn};
use crate::channel::conn::Conn;
use crate::channel::direction::Lease;
use crate::channel::event_log::EventLog;
use crate::channel::link::Taken;
use crate::channel::session_state::SessionHalves;
use crate::error::Result;

/// What a call uses under the session's lock.
pub struct Locked<'a> {
    pub receiving: &'a mut Receiving,
    pub halves: &'a mut SessionHalves,
    pub event_log: &'a EventLog,
}

/// What a call has taken under that lock.
pub enum Step<T> {
    /// What it returns.
    Done(Taken<T>),
    /// Another message, which gets a [turn](Place::turn).
    Other(Taken),
    /// Nothing: no message is complete, or it needs further checks.
    Nothing,
}

/// Where what a call receives goes.
pub trait Place {
    /// What the call returns.
    type Output;

    /// Takes what is complete in the link, under the session's lock.
    fn take(&mut self, at: &mut Locked<'_>, reads: &Reads) -> Step<Self::Output>;

    /// Makes a turn of the loop, without the lock. Returns what the call returns, once it has it.
    ///
    /// # Errors
    /// Why the call ends.
    fn turn(&mut self, receiving: &mut Receiving, turn: Turn) -> Result<Option<Self::Output>>;
}

/// Turns alone, for which messages are taken, too.
pub struct Turns<F>(pub F);

impl<T, F: FnMut(&mut Receiving, Turn) -> Result<Option<T>>> Place for Turns<F> {
    type Output = T;

    fn take(&mut self, at: &mut Locked<'_>, reads: &Reads) -> Step<T> {
        at.receiving.take_complete(at.halves, at.event_log, reads.want()).map_or(Step::Nothing, Step::Other)
    }

    fn turn(&mut self, receiving: &mut Receiving, turn: Turn) -> Result<Option<T>> {
        (self.0)(receiving, turn)
    }
}

/// The receiving direction as a call has it, without the session's lock.
pub trait DirectionGuard: DerefMut<Target = Receiving> + Sized {
    /// Makes a step under the session's lock. Otherwise than with [`Step::Done`] the call still has the direction.
    fn step<T>(
        self,
        conn: &Conn,
        step: impl FnOnce(&mut Locked<'_>) -> Step<T>,
    ) -> std::result::Result<Taken<T>, (Self, Option<Taken>)>;
}

/// A call that gives the direction back with the message that it returns.
impl DirectionGuard for Lease<'_, Receiving> {
    #[inline]
    fn step<T>(
        self,
        conn: &Conn,
        step: impl FnOnce(&mut Locked<'_>) -> Step<T>,
    ) -> std::result::Result<Taken<T>, (Self, Option<Taken>)> {
        let mut entered = self.enter();
        let (receiving, halves) = entered.parts();
        match step(&mut Locked { receiving, halves, event_log: &conn.event_log }) {
            Step::Done(taken) => {
                entered.end();
                Ok(taken)
            }
            Step::Other(taken) => Err((entered.go_on(), Some(taken))),
            Step::Nothing => Err((entered.go_on(), None)),
        }
    }
}

/// A call that keeps it.
impl DirectionGuard for &mut Receiving {
    fn step<T>(
        self,
        conn: &Conn,
        step: impl FnOnce(&mut Locked<'_>) -> Step<T>,
    ) -> std::result::Result<Taken<T>, (Self, Option<Taken>)> {
        let mut halves = conn.links.session_state.halves();
        let made = step(&mut Locked { receiving: self, halves: &mut halves, event_log: &conn.event_log });
        drop(halves);
        match made {
            Step::Done(taken) => Ok(taken),
            Step::Other(taken) => Err((self, Some(taken))),
            Step::Nothing => Err((self, None)),
        }
    }
}
