//! Receiving over the link of a connection.

use super::Conn;
use crate::channel::link::{Checks, RxPart, Want};
use crate::channel::sending::Links;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind};
use crate::message::Message;
use crate::session::inbox::AckTrigger;
use crate::transport::Losses;

pub(crate) enum Received {
    Message(Message),
    /// The peer closes; the acknowledgement that it waits for is sent.
    Bye,
    /// An acknowledgement, and the number of the request that the peer withdraws, if any.
    Ack(Option<u64>),
    /// For example a duplicate.
    Nothing,
}

impl<L: Links + Send + Sync + 'static> Conn<L> {
    /// Records delivered messages as consumed, and acknowledges if necessary. The link frees their room.
    pub(crate) fn consume(&self, part: &mut RxPart, trigger: AckTrigger) {
        let mut halves = self.links.session_state().halves();
        let has_to_say = halves.consumed_with_room(|| part.rx.consumed_with_fence(), trigger);
        drop(halves);
        if has_to_say {
            self.send_ack_now(trigger);
        }
    }

    pub(crate) fn next_frame(&self, part: &mut RxPart) -> Result<Option<Incoming>> {
        let got = part.next_frame();
        let losses = part.rx.take_losses();
        if losses != Losses::default() {
            self.event_log.lost(losses);
        }
        got
    }

    /// Skips the body of a frame that found no memory in [`Conn::next_frame`], if `may` allows it.
    ///
    /// # Errors
    /// The given error if the frame stays the next one; `Malformed`: the caller ends the link.
    #[cold]
    pub(crate) fn without_body(
        &self,
        part: &mut RxPart,
        error: Error,
        may: impl Fn(&Header) -> bool,
    ) -> Result<Incoming> {
        if error.kind() != ErrorKind::OutOfMemory {
            return Err(error);
        }
        part.rx.skip_if(may)?.ok_or(error)
    }

    /// Receives a frame. A message or a bye also records the consumption that `want` postpones.
    ///
    /// # Errors
    /// `Malformed` for a protocol violation: the caller ends the link.
    pub(crate) fn receive(
        &self,
        part: &mut RxPart,
        frame: Incoming,
        want: &mut Want,
        checks: Checks<'_>,
    ) -> Result<Received> {
        Ok(match frame.header.kind {
            Kind::Bye => {
                // The acknowledgement below includes this call's consumption.
                if let Some(trigger) = want.consume.take() {
                    self.consume(part, trigger);
                }
                part.rx.consumed();
                part.bye_received = true;
                self.send_ack(AckTrigger::Requested);
                Received::Bye
            }
            Kind::Ack => Received::Ack(part.accept_ack(&frame)?),
            kind if want.takes_frame(kind) => {
                let (fate, mut due) = (want.fate(&frame.header), None);
                let accepted = part.accept(frame, fate, checks, &self.event_log, |halves, rx| {
                    // No other link replaces this one, so the first thread that sees the violation ends it.
                    if !L::JOINS
                        && let Some(violation) = halves.violation()
                    {
                        return Err(violation);
                    }
                    let consume = want.consume.take();
                    due = consume
                        .filter(|trigger| halves.consumed_with_room(|| rx.consumed_with_fence(), *trigger));
                    Ok(())
                });
                if let Some(trigger) = due {
                    self.send_ack_now(trigger);
                }
                accepted?.map_or(Received::Nothing, Received::Message)
            }
            _ => Received::Nothing,
        })
    }
}
