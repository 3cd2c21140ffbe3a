//! The meaning of a received frame: a message, an acknowledgement, a close, or nothing to the caller.

use super::{ReceivedFrame, Receiving};
use crate::channel::sending::AckSender;
use crate::channel::session::inbox::Fate;
use crate::deadline::Waiting;
use crate::error::Result;
use crate::frame::{Header, Incoming, Kind};
use crate::message::{Message, withdrawal};
use crate::sys::poll::next_round;

/// After this many polls in a row without a message, the deadline is checked.
const MAX_EMPTY_POLLS: u32 = 64;
/// The same for a call that does not wait.
const MAX_EMPTY_POLLS_AT_ONCE: u32 = 4096;

impl Receiving {
    /// Counts a poll without a message, and checks deadline and signals now and then, so that no peer can
    /// keep the caller by frames that are none, or by parts of one.
    pub(super) fn count_empty_poll(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.empty_polls += 1;
        if self.empty_polls < if waiting.is_none() { MAX_EMPTY_POLLS_AT_ONCE } else { MAX_EMPTY_POLLS } {
            return Ok(());
        }
        self.empty_polls = 0;
        // Frames may be left, so an event loop has to be woken for them.
        next_round(waiting).inspect_err(|_| self.update_readiness(true))
    }

    /// Handles one frame; none if it means nothing to the caller, such as a duplicate.
    pub(super) fn dispatch(
        &mut self,
        frame: Incoming,
        ack_sender: &AckSender<'_>,
    ) -> Result<Option<ReceivedFrame>> {
        let AckSender { links: reconnector, event_log, .. } = *ack_sender;
        let Header { kind, correlation, .. } = frame.header;
        Ok(match kind {
            Kind::Data | Kind::Request | Kind::Reply | Kind::Error | Kind::Command | Kind::Event => {
                let mut session = 0;
                if let Some(part) = self.part.as_mut().filter(|part| part.negotiated.is_some()) {
                    let fate = if self.delivers { Fate::Delivered } else { Fate::Filed };
                    let (pending, mut due) = (&mut self.pending_consume, None);
                    let accepted =
                        reconnector.session_state.accept(&frame.header, frame.body.len(), fate, |halves| {
                            due = pending.take().filter(|trigger| halves.consumed(&mut part.rx, *trigger));
                            Ok(())
                        });
                    if let Some(trigger) = due {
                        ack_sender.send_ack_now(trigger);
                    }
                    let Some((of, missed)) = accepted? else { return Ok(None) };
                    session = of;
                    if missed > 0 {
                        event_log.lagged(missed);
                    }
                }
                event_log.count_exclusive(&event_log.received);
                self.set.note_message();
                let Some(part) = &mut self.part else { return Ok(None) };
                let source = part.source_of(&frame);
                let schema = match kind {
                    Kind::Data | Kind::Request => self.schema.as_ref(),
                    Kind::Reply => self.reply_schema.as_ref(),
                    _ => None,
                };
                let message = Message::new(frame, &source, self.limits, session).with_schema(schema);
                self.update_readiness(true);
                Some(ReceivedFrame::Message(message))
            }
            Kind::Bye => {
                // The acknowledgement that follows includes what this call consumes.
                self.apply_consume(ack_sender);
                if let Some(part) = &mut self.part {
                    part.rx.consumed();
                }
                self.bye_received = true;
                Some(ReceivedFrame::Bye)
            }
            Kind::Ack => {
                reconnector.session_state.acknowledged(correlation)?;
                if let Some(request) = withdrawal::read(&frame) {
                    self.withdraw(request);
                }
                Some(ReceivedFrame::Ack)
            }
            Kind::Hello => None,
        })
    }
}
