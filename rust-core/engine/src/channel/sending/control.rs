//! Frames that the library sends without the program: replays, acknowledgements, withdrawals, and the bye.

use super::push::{leave, push, push_with, send_control, try_send_frame, with_until};
use super::{Links, Sending};
use crate::channel::event_log::EventLog;
use crate::channel::link::TxPart;
use crate::channel::reconnector::Reconnector;
use crate::channel::session_state::admission::carries_ack;
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::message::withdrawal;
use crate::session::connection::{Control, Tried};
use crate::session::inbox::AckTrigger;

impl Sending {
    /// Replays messages. Each round looks the next one up, because the lock is free during a frame.
    pub fn replay(&mut self, links: &impl Links, waiting: &mut Waiting<'_>) -> Result<()> {
        let session_state = links.session_state();
        let Some(part) = &mut self.part else { return Ok(()) };
        loop {
            let mut halves = session_state.halves();
            let next = halves.next_replay(self.generation).map(|(kept, number)| (kept.clone(), number));
            let Some((kept, number)) = next else { return Ok(()) };
            let header = kept.header(number);
            let acked = if carries_ack(header.kind) { halves.to_piggyback(part.session()) } else { 0 };
            let header = Header { correlation: if acked > 0 { acked } else { header.correlation }, ..header };
            drop(halves);
            let until = with_until(kept.until().filter(|_| part.peer.deadlines))?;
            let extension = if until.is_empty() { kept.extension() } else { &until };
            push_with(part, header, (&kept.payload()).into(), extension, links, waiting)?;
            session_state.halves().replayed(self.generation, number);
        }
    }

    pub fn join(
        &mut self,
        links: &impl Links,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        let session_state = links.session_state();
        if session_state.is_newer(self.generation) {
            self.part = None;
        }
        while self.part.is_none() {
            let part = links.next_link(&mut self.generation, event_log, waiting)?;
            let is_newest = match &part.negotiated {
                Some(negotiated) => session_state.link_up(self.generation, negotiated, event_log)?,
                None => true,
            };
            self.part = Some(part).filter(|_| is_newest);
        }
        Ok(())
    }

    /// Sends replays, withdrawals, and the acknowledgement if `trigger` makes it due, without waiting.
    ///
    /// A later call sends the frames that the link does not take now.
    pub fn send_ack(&mut self, trigger: AckTrigger, links: &impl Links, event_log: &EventLog) {
        let (mut at_once, session_state) = (Waiting::at_once(), links.session_state());
        let mut tried = Tried::default();
        loop {
            let session = self.part.as_ref().map_or(0, TxPart::session);
            let next = session_state.halves().next_control(self.generation, trigger, session, &mut tried);
            match next {
                None => return,
                // If the link breaks here, the next call that sends or receives notices it.
                Some(Control::Replay) => drop(self.replay(links, &mut at_once)),
                Some(Control::Withdraw(requests)) => self.send_withdrawals(requests, links),
                Some(Control::Acknowledge(number)) => {
                    let Some(part) = &mut self.part else { return };
                    if send_control(part, Kind::Ack, number) {
                        session_state.halves().inbox.ack_frame_sent(session, number);
                        leave(part, links);
                    } else if part.is_waiting() {
                        // The thread that writes the blocking rest sends the acknowledgement afterwards.
                        session_state.halves().defer(trigger);
                    }
                    return;
                }
                Some(Control::NextLink) => {
                    if self.join(links, event_log, &mut at_once).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Sends the replays, then a bye: this side closes and waits for the peer's acknowledgement.
    pub fn send_bye(&mut self, reconnector: &Reconnector, waiting: &mut Waiting<'_>) -> Result<()> {
        self.replay(reconnector, waiting)?;
        let Some(part) = &mut self.part else { return Ok(()) };
        push(part, &Outgoing::new(Header::new(Kind::Bye, Encoding::Raw), &[]), reconnector, waiting)
    }

    /// Waits until the kernel has taken everything, on a link without a session.
    pub fn flush_plain(&mut self, reconnector: &Reconnector, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(part) = self.part.as_mut().filter(|part| part.tx.is_plain()) else { return Ok(()) };
        let bye = Outgoing::new(Header::new(Kind::Bye, Encoding::Raw), &[]);
        push(part, &bye, reconnector, waiting).map_err(|e| match e.kind() {
            ErrorKind::Timeout | ErrorKind::Full => {
                let text = "closed; the peer had not received all that was sent";
                Error::new(ErrorKind::Timeout, text)
            }
            _ => e,
        })
    }

    /// Withdraws requests of callers that gave up, from the transport or by a frame to the peer.
    ///
    /// Keeps those for later that the link does not take now.
    pub fn send_withdrawals(&mut self, mut requests: Vec<u64>, links: &impl Links) {
        let mut is_waiting = false;
        if let Some(part) = &mut self.part {
            requests.retain(|request| {
                part.tx.withdraw(*request);
                part.negotiated.is_some()
                    && withdrawal::frame(*request)
                        .is_ok_and(|(header, body)| !try_send_frame(part, header, &body))
            });
            leave(part, links);
            is_waiting = part.is_waiting();
        }
        if !requests.is_empty() {
            let mut halves = links.session_state().halves();
            halves.withdraw_later(requests);
            if is_waiting {
                halves.defer(AckTrigger::Park);
            }
        }
    }
}
