//! Several messages in one call.
//!
//! Values are encoded in runs of at most [`RUN`] values and [`RUN_BYTES`], then sent together. At an obstacle, the
//! messages of a run are sent one by one.

use super::recv::NextPlace;
use super::{Channel, is_not_ready};
use crate::channel::link::Taken;
use crate::channel::receiving::{Locked, Place, Reads, Receiving, Step, Turn};
use crate::channel::sending::Draft;
use crate::channel::session_state::admission::crosses_ack_check;
use crate::deadline::{Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, Payload};
use crate::value::Source;

/// The most values that are encoded before they are sent.
pub(crate) const RUN: usize = 64;
/// The most bytes of their bodies.
pub(crate) const RUN_BYTES: usize = 1 << 20;

impl Channel {
    /// Sends these values in order, each as one message, and returns how many were sent.
    ///
    /// If the transport can, up to 64 short messages need one wake-up or one system call. The iterator yields values
    /// as they are encoded and sent. All share one deadline.
    ///
    /// # Errors
    /// [`Error::sent`] is the number of values that were sent. The error is about the next value, which was not sent,
    /// like all that follow. Messages of other threads may be sent in between.
    ///
    /// ```no_run
    /// # use linkspan_engine::Channel;
    /// # use linkspan_os::deadline::Timeout;
    /// # use linkspan_value::{Result, Value};
    /// # fn f(channel: &Channel) -> Result<()> {
    /// channel.send_many([1.5, 2.5, 3.5].map(Value::from), Timeout::Default)?;
    /// for message in channel.recv_many(64, Timeout::Default)? {
    ///     println!("{:?}", message.value()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_many<'a, T: Source>(
        &self,
        values: impl IntoIterator<Item = T>,
        wait: impl Into<Wait<'a>>,
    ) -> Result<u64> {
        let mut waiting = self.options.start(wait);
        let encoded = values.into_iter().map(|value| self.encode(&value));
        in_runs(encoded, |run| self.send_run(run, &mut waiting))
    }

    /// [`Channel::send_many`] for encoded values, for instance of [`Channel::encode`].
    ///
    /// An error of the iterator ends the batch, like a value that cannot be encoded.
    pub fn send_encoded<'a>(
        &self,
        payloads: impl IntoIterator<Item = Result<Payload>>,
        wait: impl Into<Wait<'a>>,
    ) -> Result<u64> {
        let mut waiting = self.options.start(wait);
        in_runs(payloads, |run| self.send_run(run, &mut waiting))
    }

    /// Sends several encoded values: see [`Channel::send_many`].
    pub fn send_payloads<'a>(&self, payloads: &[Payload], wait: impl Into<Wait<'a>>) -> Result<u64> {
        let mut waiting = self.options.start(wait);
        self.send_run(payloads, &mut waiting).map_err(|(sent, error)| error.with_sent(sent))?;
        Ok(payloads.len() as u64)
    }

    fn send_run(
        &self,
        payloads: &[Payload],
        waiting: &mut Waiting<'_>,
    ) -> std::result::Result<(), (u64, Error)> {
        let mut sent = 0;
        let put = self.send_each(payloads, waiting, &mut sent);
        put.map_err(|error| (sent as u64, error.on(&self.shown)))
    }

    fn send_each(&self, payloads: &[Payload], waiting: &mut Waiting<'_>, sent: &mut usize) -> Result<()> {
        while *sent < payloads.len() {
            let rest = &payloads[*sent..];
            let at_once = match self.send_run_step(rest) {
                0 => self.send_run_at_once(rest, waiting)?,
                sent => sent,
            };
            *sent += at_once;
            if at_once == 0 {
                self.send_one(&Draft::data(&payloads[*sent]), waiting)?;
                *sent += 1;
            }
        }
        Ok(())
    }

    /// Writes the leading short messages into a link in memory under one lock, and keeps them.
    ///
    /// Returns their count; 0 at an obstacle.
    fn send_run_step(&self, payloads: &[Payload]) -> usize {
        let run = &payloads[..payloads.len().min(RUN)];
        if run.len() < 2 {
            return 0;
        }
        let Some(mut entered) = self.enter_to_send() else { return 0 };
        let (sending, halves) = entered.parts();
        sending.send_run_step(run, halves)
    }

    fn send_run_at_once(&self, payloads: &[Payload], waiting: &mut Waiting<'_>) -> Result<usize> {
        if payloads.len() < 2 {
            return Ok(0);
        }
        let mut sending = self.sending_in_turn(waiting)?;
        let before = self.conn.links.session_state.halves().outbox.kept_count();
        let run = &payloads[..payloads.len().min(RUN)];
        let sent = sending.send_run(run, &self.conn.links, waiting);
        let (permit, sending) = sending.split();
        drop(sending);
        if crosses_ack_check(before, sent) {
            self.collect_acks();
        }
        drop(permit);
        Ok(sent)
    }

    /// Waits for the next message, and returns it with those that have arrived after it, up to `max`.
    ///
    /// The next call returns an error that is found after the first message.
    ///
    /// The messages count as consumed together at the next receiving call. If this program ends first, its next
    /// incarnation gets all. With `ack="manual"`, [`Channel::ack`] acknowledges all.
    pub fn recv_many<'a>(&self, max: usize, wait: impl Into<Wait<'a>>) -> Result<Vec<Message>> {
        check_max(max).map_err(|e| e.on(&self.shown))?;
        let mut run = Run { channel: self, max, messages: Vec::new(), is_all: false };
        self.receive(&mut run, wait.into())?;
        let Run { mut messages, is_all, .. } = run;
        // If another thread receives by now, it receives the others.
        if !is_all && let Ok(mut receiving) = self.receiving() {
            self.take_more(max, &mut receiving, &mut messages);
        }
        Ok(messages)
    }

    fn take_more(&self, max: usize, receiving: &mut Receiving, messages: &mut Vec<Message>) {
        let reads = Reads { spares: true, ..Reads::DELIVERED };
        let more = receiving.pump(&self.conn, reads, &mut Waiting::at_once(), |receiving, turn| {
            if let Turn::Look = turn {
                // Bounded, because a sending thread may wait for the lock.
                let several = max.min(messages.len() + RUN);
                receiving.take_ready_run(
                    &self.conn.links.session_state,
                    &self.conn.event_log,
                    several,
                    messages,
                );
                return Ok((messages.len() >= max || !receiving.may_have_more()).then_some(()));
            }
            messages.extend(self.sort(receiving, turn));
            Ok(None)
        });
        if let Err(error) = more
            && !is_not_ready(&error)
        {
            receiving.defer_error(error);
        }
    }
}

struct Run<'a> {
    channel: &'a Channel,
    max: usize,
    messages: Vec<Message>,
    /// Whether these are `max`, or no more had arrived.
    is_all: bool,
}

impl Run<'_> {
    fn note_all(&mut self, receiving: &Receiving) {
        self.is_all = self.messages.len() >= self.max || !receiving.may_have_more();
    }
}

impl NextPlace for Run<'_> {
    const READS: Reads = Reads::DELIVERED;

    fn take_next(&mut self, at: &mut Locked<'_>) -> Option<Taken<()>> {
        // Bounded, because a sending thread may wait for the lock.
        let most = self.max.min(RUN);
        let taken = at.receiving.take_run(at.halves, at.event_log, most, &mut self.messages)?;
        self.note_all(at.receiving);
        Some(taken)
    }
}

impl Place for Run<'_> {
    type Output = ();

    fn take(&mut self, at: &mut Locked<'_>, reads: &Reads) -> Step<()> {
        match at.receiving.take_for_program(at.halves, at.event_log, reads) {
            Step::Done(taken) => {
                let taken = taken.map(|message| self.messages.push(message));
                self.note_all(at.receiving);
                Step::Done(taken)
            }
            Step::Other(taken) => Step::Other(taken),
            Step::Nothing => Step::Nothing,
        }
    }

    fn turn(&mut self, receiving: &mut Receiving, turn: Turn) -> Result<Option<()>> {
        let Some(message) = self.channel.sort(receiving, turn) else { return Ok(None) };
        self.messages.push(message);
        self.note_all(receiving);
        Ok(Some(()))
    }
}

pub(crate) fn check_max(max: usize) -> Result<()> {
    if max > 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::OutOfRange, "at most 0 messages were requested; request 1 or more"))
}

/// Sends payloads of an iterator in runs with `send`, and returns how many were sent.
///
/// An error of `send` has the messages that its run sent before. An error of the iterator ends the batch after the
/// earlier payloads.
pub(crate) fn in_runs(
    payloads: impl IntoIterator<Item = Result<Payload>>,
    mut send: impl FnMut(&[Payload]) -> std::result::Result<(), (u64, Error)>,
) -> Result<u64> {
    let mut sent = 0;
    let mut run = Vec::with_capacity(RUN);
    let mut payloads = payloads.into_iter();
    loop {
        let mut bytes = 0;
        let mut failed = None;
        let mut ended = false;
        while run.len() < RUN && bytes < RUN_BYTES && failed.is_none() && !ended {
            match payloads.next() {
                Some(Ok(payload)) => {
                    bytes += payload.len();
                    run.push(payload);
                }
                Some(Err(error)) => failed = Some(error),
                None => ended = true,
            }
        }
        // The values before a failed value are sent anyway.
        send(&run).map_err(|(of_run, error)| error.with_sent(sent + of_run))?;
        sent += run.len() as u64;
        run.clear();
        if let Some(error) = failed {
            return Err(error.with_sent(sent));
        }
        if ended {
            return Ok(sent);
        }
    }
}
