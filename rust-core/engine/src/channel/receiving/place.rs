//! How the users of the loop (`pump`) differ, besides [`Reads`].
//!
//! A [`Place`] handles the messages. A [`DirectionGuard`] holds the direction for the call.

use std::ops::DerefMut;

use super::{Reads, Receiving, Turn};
use crate::channel::conn::Conn;
use crate::channel::direction::Lease;
use crate::channel::event_log::EventLog;
use crate::channel::link::Taken;
use crate::channel::session_state::SessionHalves;
use crate::error::Result;

pub struct Locked<'a> {
    pub receiving: &'a mut Receiving,
    pub halves: &'a mut SessionHalves,
    pub event_log: &'a EventLog,
}

pub enum Step<T> {
    /// The call's return value.
    Done(Taken<T>),
    /// Another message, which gets a [turn](Place::turn).
    Other(Taken),
    /// No message is complete, or the message needs further checks.
    Nothing,
}

pub trait Place {
    type Output;

    /// Takes a complete message of the link, under the session's lock.
    fn take(&mut self, at: &mut Locked<'_>, reads: &Reads) -> Step<Self::Output>;

    /// Handles a turn of the loop without the lock. Returns the call's result, or the error that ends it.
    fn turn(&mut self, receiving: &mut Receiving, turn: Turn) -> Result<Option<Self::Output>>;
}

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

pub trait DirectionGuard: DerefMut<Target = Receiving> + Sized {
    /// Makes a step under the session's lock. Unless it is [`Step::Done`], the call keeps the direction.
    fn step<T>(
        self,
        conn: &Conn,
        step: impl FnOnce(&mut Locked<'_>) -> Step<T>,
    ) -> std::result::Result<Taken<T>, (Self, Option<Taken>)>;
}

/// Gives the direction back together with the message that the call returns.
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

/// Keeps the direction.
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
