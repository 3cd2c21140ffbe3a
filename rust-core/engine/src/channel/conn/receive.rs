//! Receiving over the link of a connection: what the program has consumed, and what a frame is to whom receives it.

use super::Conn;
use crate::channel::link::{Checks, RxPart, Want};
use crate::channel::sending::Links;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind};
use crate::message::Message;
use crate::session::inbox::AckTrigger;
use crate::transport::Losses;

/// What a frame is to whom receives it.
pub(crate) enum Received {
    /// A message.
    Message(Message),
    /// The peer closes; the acknowledgement for which it waits is sent.
    Bye,
    /// The peer acknowledges, and withdraws the request of this number, if there is one.
    Ack(Option<u64>),
    /// Nothing, such as a duplicate.
    Nothing,
}

impl<L: Links + Send + Sync + 'static> Conn<L> {
    /// Records that delivered messages are consumed, and acknowledges if that is necessary. The link frees their room.
    pub(crate) fn consume(&self, part: &mut RxPart, trigger: AckTrigger) {
        let mut halves = self.links.session_state().halves();
        let has_to_say = halves.consumed_with_room(|| part.rx.consumed_with_fence(), trigger);
        drop(halves);
        if has_to_say {
            self.send_ack_now(trigger);
        }
    }

    /// Returns the next frame of the link; none if there is none now.
    pub(crate) fn next_frame(&self, part: &mut RxPart) -> Result<Option<Incoming>> {
        let got = part.next_frame();
        let losses = part.rx.take_losses();
        if losses != Losses::default() {
            self.event_log.lost(losses);
        }
        got
    }

    /// Returns the frame of the message for which [`Conn::next_frame`] has found no memory without its body, if `may`
    /// allows to skip it.
    ///
    /// # Errors
    /// This error of that call where it stays the next one; `Malformed`: the caller ends the link.
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

    /// Receives a frame. What `want` postpones is recorded as consumed together with a message, and before a bye is
    /// answered; with any other frame it stays with the caller.
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
                // The acknowledgement that follows includes what this call consumes.
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
                    // A link that no other one replaces ends by the first thread that sees it.
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
