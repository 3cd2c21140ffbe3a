//! Sending over a link that may break: whole, or not at all, or adopted.

use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing, flags};
use crate::message::Payload;
use crate::transport::Sent;
use crate::value::Timestamp;

use super::record::Record;
use super::renewal::{Renewal, TxPart};

/// The sending direction of a channel.
#[derive(Default)]
pub struct Sending {
    pub part: Option<TxPart>,
    pub generation: u64,
    /// The number of the last message that was sent.
    pub sequence: u64,
    /// Data messages that went out on this link: what a close waits for.
    pub unconfirmed: u64,
    /// The number of the last of them.
    pub last: u64,
}

/// What is to be sent, before it has its number.
pub struct Draft<'a> {
    pub kind: Kind,
    pub correlation: u64,
    pub flags: u16,
    pub payload: &'a Payload,
}

impl Sending {
    /// Sends one message, over a new link if the old one has broken. Gives its sequence number.
    ///
    /// An error means that the message is still the caller's alone.
    pub fn send(
        &mut self,
        draft: &Draft<'_>,
        renewal: &Renewal,
        record: &Record,
        waiting: &mut Waiting<'_>,
    ) -> Result<u64> {
        let header = Header {
            sequence: self.sequence + 1,
            correlation: draft.correlation,
            flags: draft.flags,
            sent: Timestamp::now().0,
            ..Header::new(draft.kind, draft.payload.encoding())
        };
        let frame = Outgoing::new(header, draft.payload.body());
        loop {
            if renewal.is_newer(self.generation) {
                self.part = None;
            }
            let part = match &mut self.part {
                Some(part) => part,
                none => {
                    self.unconfirmed = 0;
                    none.insert(renewal.renew_tx(&mut self.generation, record, waiting)?)
                }
            };
            draft.payload.check(part.peer.limit)?;
            match push(part, &frame, waiting) {
                Ok(()) => break,
                // The link has broken, and none of the frame will arrive: it goes over the next one.
                Err(e) if e.kind() == ErrorKind::Disconnected => {
                    self.part = None;
                    // A reply belongs to the client that asked, who is gone with the link.
                    if draft.correlation != 0 {
                        return Err(e);
                    }
                }
                Err(e) => return Err(e),
            }
        }
        self.sequence += 1;
        if draft.kind == Kind::Data || draft.flags & flags::NO_REPLY != 0 {
            self.unconfirmed += 1;
            self.last = self.sequence;
        }
        record.count_alone(&record.sent);
        Ok(self.sequence)
    }
}

impl Sending {
    /// Sends an answer of the library's own over the link that is there. A peer that is gone, or that reads no more,
    /// needs none.
    pub fn answer(&mut self, frame: &Outgoing<'_>, renewal: &Renewal, record: &Record) {
        if self.part.is_none() && renewal.is_newer(self.generation) {
            let mut at_once = Waiting::at_once();
            self.part = renewal.renew_tx(&mut self.generation, record, &mut at_once).ok();
        }
        if let Some(part) = &mut self.part {
            let _ = part.tx.try_send(frame);
        }
    }
}

/// Brings one frame to the transport. `Timeout`, or `Full` for a call that is not to wait, when none of it went.
pub fn push(part: &mut TxPart, frame: &Outgoing<'_>, waiting: &mut Waiting<'_>) -> Result<()> {
    let mut begun = false;
    loop {
        match part.tx.try_send(frame)? {
            Sent::Whole => return Ok(()),
            Sent::Part => begun = true,
            Sent::Blocked if waiting.is_none() => {
                let text = "the other side has not taken what was sent before, and the call was not to wait";
                return Err(Error::new(ErrorKind::Full, text));
            }
            Sent::Blocked => {}
        }
        match part.tx.wait_room(waiting) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::Disconnected => return Err(e),
            // Once the transport has some of it, it is sent, whatever the program does next.
            Err(_) if begun => {
                part.tx.adopt(frame);
                part.tx.see_off();
                return Ok(());
            }
            Err(e) => return Err(e),
        }
    }
}
