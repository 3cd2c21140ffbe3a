//! Several messages a call: one wake-up or one system call for many that are sent, one call for all that have come.

use super::{Channel, is_not_now};
use crate::channel::direction::Does;
use crate::channel::sending::{Draft, is_time_to_gather};
use crate::deadline::{Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::message::{Message, Payload};
use crate::value::Source;

/// So many values are encoded before they are sent, at most ...
pub(crate) const RUN: usize = 64;
/// ... and so many bytes of them.
pub(crate) const RUN_BYTES: usize = 1 << 20;

impl Channel {
    /// Sends these values in their order, each as one message as [`Channel::send`] does, with one wake-up or one system call for up
    /// to 64 short ones where the transport can; gives how many those were. They are encoded and sent as the iterator gives them.
    /// The deadline is one for all.
    ///
    /// An error says in [`Error::sent`] how many were sent before it: the value behind those is what it is about, and that one
    /// and all that follow are still the caller's. Messages of other threads may come between.
    ///
    /// ```no_run
    /// # use linkspan::{Channel, Result, Timeout, Value};
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
        let mut waiting = self.start(wait);
        let encoded = values.into_iter().map(|value| self.encode(&value));
        in_runs(encoded, |run| self.put_many(run, &mut waiting))
    }

    /// The same with values that the iterator encodes, each when it is asked for it: see [`Channel::encode`]. An error that it gives
    /// ends the batch, as that of a value which has no form.
    pub fn send_encoded<'a>(
        &self,
        payloads: impl IntoIterator<Item = Result<Payload>>,
        wait: impl Into<Wait<'a>>,
    ) -> Result<u64> {
        let mut waiting = self.start(wait);
        in_runs(payloads, |run| self.put_many(run, &mut waiting))
    }

    /// Sends several messages that are encoded already: see [`Channel::send_many`].
    pub fn send_payloads<'a>(&self, payloads: &[Payload], wait: impl Into<Wait<'a>>) -> Result<u64> {
        let mut waiting = self.start(wait);
        self.put_many(payloads, &mut waiting).map_err(|(sent, error)| error.with_sent(sent))?;
        Ok(payloads.len() as u64)
    }

    /// An error comes with how many were sent before it.
    fn put_many(
        &self,
        payloads: &[Payload],
        waiting: &mut Waiting<'_>,
    ) -> std::result::Result<(), (u64, Error)> {
        let mut sent = 0;
        let put = self.put_each(payloads, waiting, &mut sent);
        put.map_err(|error| (sent as u64, error.on(&self.shown)))
    }

    fn put_each(&self, payloads: &[Payload], waiting: &mut Waiting<'_>, sent: &mut usize) -> Result<()> {
        while *sent < payloads.len() {
            let at_once = self.put_at_once(&payloads[*sent..], waiting)?;
            *sent += at_once;
            if at_once == 0 {
                let payload = &payloads[*sent];
                let draft = Draft { kind: Kind::Data, correlation: 0, flags: 0, to: 0, payload };
                self.put_flagged(&draft, waiting)?;
                *sent += 1;
            }
        }
        Ok(())
    }

    /// As many as go without waiting, and where nothing is in the way.
    fn put_at_once(&self, payloads: &[Payload], waiting: &mut Waiting<'_>) -> Result<usize> {
        // One alone goes its usual way; so does the one before which the program is to be told what was lost.
        if payloads.len() < 2 || self.reconnector.session_state.has_untold() {
            return Ok(0);
        }
        self.check_sends()?;
        let mut sending = self.sending.take_in_turn(Does::Sends, waiting)?;
        // The thread before may have closed it.
        self.check()?;
        let before = self.reconnector.session_state.halves().outbox.kept_count();
        let run = &payloads[..payloads.len().min(RUN)];
        let sent = sending.send_many_at_once(run, &self.reconnector, &self.record, waiting);
        let (claim, sending) = sending.split();
        drop(sending);
        self.ack_sender().flush_deferred();
        if (before + 1..=before + sent).any(is_time_to_gather) {
            self.gather();
        }
        drop(claim);
        Ok(sent)
    }

    /// Waits for the next message as [`Channel::recv`] does, and takes those along that have come behind it: at most `max` in all.
    /// An error that is met behind the first one is what the next call gives.
    ///
    /// They count as consumed together, with the next call that receives: should this program end before, all of them are given
    /// to its next incarnation. `ack="manual"` acknowledges them together, too.
    pub fn recv_many<'a>(&self, max: usize, wait: impl Into<Wait<'a>>) -> Result<Vec<Message>> {
        let mut waiting = self.start(wait);
        self.take_many(max, &mut waiting).map_err(|e| e.on(&self.shown))
    }

    fn take_many(&self, max: usize, waiting: &mut Waiting<'_>) -> Result<Vec<Message>> {
        check_max(max)?;
        let mut receiving = self.receiving()?;
        receiving.program_calls(&self.ack_sender());
        let first = self.take_given(&mut receiving, waiting)?;
        self.note_given(&receiving, &first);
        // Its memory is the caller's to have: a large `max` says that all is wanted.
        let mut messages = Vec::with_capacity(max.min(RUN));
        messages.push(first);
        receiving.gives_more = true;
        while messages.len() < max && receiving.may_have_more() {
            receiving.gives = true;
            let more = self.take(&mut receiving, &mut Waiting::at_once());
            receiving.gives = false;
            match more {
                Ok(message) => {
                    self.note_given(&receiving, &message);
                    messages.push(message);
                }
                Err(e) => {
                    if !is_not_now(&e) {
                        receiving.tell_later(e);
                    }
                    break;
                }
            }
        }
        receiving.gives_more = false;
        Ok(messages)
    }
}

/// Refuses to receive nothing.
pub(crate) fn check_max(max: usize) -> Result<()> {
    if max > 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::OutOfRange, "at most 0 messages were asked for; ask for 1 or more"))
}

/// Takes payloads as an iterator gives them, and sends them in runs; gives how many. `send` says with an error how many of its run
/// were sent before it.
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
                    bytes += payload.body().len();
                    run.push(payload);
                }
                Some(Err(error)) => failed = Some(error),
                None => ended = true,
            }
        }
        // Those before a value that has no form go all the same.
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
