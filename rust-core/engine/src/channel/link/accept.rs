//! The next frames of a link, for channels and for the clients of a server.

use std::sync::Arc;

use super::RxPart;
use crate::channel::event_log::EventLog;
use crate::channel::session_state::SessionHalves;
use crate::error::Result;
use crate::frame::{Incoming, Kind};
use crate::message::{Message, ReceivedFrom, withdrawal};
use crate::schema::PreparedSchema;
use crate::session::inbox::Fate;
use crate::transport::{Rx, extension};
use crate::value::Limits;

#[derive(Clone, Copy)]
pub struct Checks<'a> {
    pub limits: Limits,
    /// For messages and requests.
    pub schema: Option<&'a Arc<PreparedSchema>>,
    pub reply_schema: Option<&'a Arc<PreparedSchema>>,
}

impl RxPart {
    /// Returns the next frame, first of the read-ahead.
    pub fn next_frame(&mut self) -> Result<Option<Incoming>> {
        if self.read_ahead.is_empty() { self.rx.try_recv() } else { self.read_ahead.pop() }
    }

    /// Returns whether another [`RxPart::next_frame`] may find a frame that was already available.
    #[inline]
    pub fn may_hold_more(&self) -> bool {
        !self.read_ahead.is_empty() || self.rx.may_hold_more()
    }

    /// Reads the following frames to find out, without waiting.
    #[inline]
    pub fn is_withdrawn(&mut self, request: u64) -> bool {
        if self.negotiated.is_none() {
            return false;
        }
        if self.rx.may_hold_more() {
            self.read_ahead.read(&mut self.rx);
        }
        self.read_ahead.withdraws(request)
    }

    /// Returns the message of this frame; none for a duplicate.
    ///
    /// Calls `first` under the session's lock before the message is recorded. Reports earlier lost messages as an
    /// event.
    ///
    /// # Errors
    /// Errors of `first`, and `Malformed` for an impossible number: the caller ends the link.
    pub fn accept(
        &mut self,
        frame: Incoming,
        fate: Fate,
        checks: Checks<'_>,
        event_log: &EventLog,
        first: impl FnOnce(&mut SessionHalves, &mut Rx) -> Result<()>,
    ) -> Result<Option<Message>> {
        let mut session = 0;
        if let Some(negotiated) = &self.negotiated {
            let rx = &mut self.rx;
            let accepted =
                negotiated
                    .session_state
                    .accept(&frame.header, frame.body.len(), fate, |halves| first(halves, rx))?;
            let Some((of, missed)) = accepted else { return Ok(None) };
            session = of;
            if missed > 0 {
                event_log.lagged(missed);
            }
        }
        let schema = match frame.header.kind {
            Kind::Data | Kind::Request => checks.schema,
            Kind::Reply => checks.reply_schema,
            _ => None,
        };
        let source = self.source_of(&frame);
        // A listener in lockstep replays a recording, whose messages have their own number and sender.
        let is_recorded = self.peer.lockstep && !frame.extension.is_empty();
        let recorded = if is_recorded { extension::read_recorded(&frame.extension) } else { None };
        let origin = ReceivedFrom { source: &source, ..self.peer.origin(frame.header.kind, session) };
        let message = Message::new(frame, origin, checks.limits).with_schema(schema);
        Ok(Some(match recorded {
            Some(recorded) => message.with_recorded(recorded),
            None => message,
        }))
    }

    /// Takes an acknowledgement over. Returns the number of the request that it withdraws, if any.
    ///
    /// # Errors
    /// `Malformed` for an impossible number: the caller ends the link.
    pub fn accept_ack(&mut self, frame: &Incoming) -> Result<Option<u64>> {
        if let Some(negotiated) = &self.negotiated {
            negotiated.session_state.acknowledged(frame.header.correlation)?;
        }
        Ok(withdrawal::read(frame))
    }
}
