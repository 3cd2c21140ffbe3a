//! The packets between two bridges: a header of fixed width, little-endian, then the bytes of a unit.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | the type, see below |
//! | 1 | the kind of the unit |
//! | 2 | 1 to request a retransmission or an acknowledgement; in type 4, to request the receiver's clock |
//! | 3–7 | zero |
//! | 8–15 | the sending bridge |
//! | 16–23 | the bridge whose program connected |
//! | 24–31 | the number of the link at that bridge |
//! | 32–39 | the number of the unit; type 4: the sender's clock in nanoseconds; type 5: the number of the request |
//! | 40–47 | the number up to which all units have been received |
//! | 48–55 | the number up to which all have been delivered to the program |
//!
//! Types: 0 unit, 1 acknowledgement, 2 the sender lacks the link, 3 the sender's links, 4 its clock, 5 withdrawal of
//! a request, 6 its newest numbers.
//!
//! In type 3, the header is followed by 16 bytes per link: the bridge whose program connected, and the number. In
//! type 6, it is followed by numbers as [`NewestNumber::to_bytes`] encodes them.

use std::time::Duration;

use bytes::Bytes;

use crate::newest_numbers::NewestNumber;

const HEAD: usize = 56;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub caller: u64,
    pub number: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub received: u64,
    pub delivered: u64,
    /// Whether it requests a retransmission of later units, or an acknowledgement.
    pub requests_answer: bool,
    pub what: What,
}

/// A packet's content in addition to its acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Unit(u64, u8, Bytes),
    State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BridgeMessage {
    Packet(Id, Packet),
    Unknown(Id),
    Known(Vec<Id>),
    /// The sender's clock, and whether the receiver should send its own.
    Clock(Duration, bool),
    /// The caller of the sender's request with this number has stopped waiting.
    Withdrawn(u64),
    Newest(Vec<NewestNumber>),
}

impl BridgeMessage {
    pub fn to_bytes(&self, from: u64) -> Vec<u8> {
        let none = Id { caller: 0, number: 0 };
        let (what, id, packet) = match self {
            BridgeMessage::Packet(id, packet) => (u8::from(packet.what == What::State), *id, Some(packet)),
            BridgeMessage::Unknown(id) => (2, *id, None),
            BridgeMessage::Known(_) => (3, none, None),
            BridgeMessage::Clock(..) => (4, none, None),
            BridgeMessage::Withdrawn(_) => (5, none, None),
            BridgeMessage::Newest(_) => (6, none, None),
        };
        let mut requests_answer = packet.is_some_and(|packet| packet.requests_answer);
        let (received, delivered) = packet.map_or((0, 0), |packet| (packet.received, packet.delivered));
        let mut unit = (0, 0, Bytes::new());
        if let Some(Packet { what: What::Unit(number, kind, body), .. }) = packet {
            unit = (*number, *kind, body.clone());
        }
        if let BridgeMessage::Clock(clock, requests_clock) = self {
            (unit.0, requests_answer) =
                (u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX), *requests_clock);
        }
        if let BridgeMessage::Withdrawn(number) = self {
            unit.0 = *number;
        }
        if let BridgeMessage::Newest(numbers) = self {
            unit.2 = NewestNumber::to_bytes(numbers);
        }
        let mut bytes = Vec::with_capacity(HEAD.saturating_add(unit.2.len()));
        bytes.extend([what, unit.1, requests_answer.into(), 0, 0, 0, 0, 0]);
        for field in [from, id.caller, id.number, unit.0, received, delivered] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&unit.2);
        if let BridgeMessage::Known(ids) = self {
            for field in ids.iter().flat_map(|id| [id.caller, id.number]) {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
        }
        bytes
    }

    /// Decodes the sending bridge and its message; `None` if malformed.
    ///
    /// Numbers are unchecked, and the sender's number is only a claim: `Links::take` compares it with the machine
    /// that the engine has authenticated.
    pub fn from_bytes(bytes: &Bytes) -> Option<(u64, BridgeMessage)> {
        let field = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let body = (bytes.len() >= HEAD).then(|| bytes.slice(HEAD..))?;
        let (from, id) = (field(8)?, Id { caller: field(16)?, number: field(24)? });
        // Every packet of a link carries both acknowledgements.
        let of = |what| {
            let (received, delivered, requests_answer) = (field(40)?, field(48)?, bytes[2] == 1);
            Some(BridgeMessage::Packet(id, Packet { received, delivered, requests_answer, what }))
        };
        let message = match bytes[0] {
            0 => of(What::Unit(field(32)?, bytes[1], body))?,
            1 => of(What::State)?,
            2 => BridgeMessage::Unknown(id),
            3 => {
                let known = (HEAD..bytes.len()).step_by(16);
                let id = |at: usize| Some(Id { caller: field(at)?, number: field(at.checked_add(8)?)? });
                BridgeMessage::Known(known.map(id).collect::<Option<_>>()?)
            }
            4 => BridgeMessage::Clock(Duration::from_nanos(field(32)?), bytes[2] == 1),
            5 => BridgeMessage::Withdrawn(field(32)?),
            6 => BridgeMessage::Newest(NewestNumber::from_bytes(&body)?),
            _ => return None,
        };
        Some((from, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_decodes_to_what_was_encoded() {
        let id = Id { caller: u64::MAX, number: 3 };
        let packet = |what| Packet { received: 7, delivered: 5, requests_answer: true, what };
        for message in [
            BridgeMessage::Packet(id, packet(What::Unit(9, 2, Bytes::from_static(b"bytes")))),
            BridgeMessage::Packet(id, packet(What::Unit(9, 2, Bytes::new()))),
            BridgeMessage::Packet(id, packet(What::State)),
            BridgeMessage::Unknown(id),
            BridgeMessage::Clock(Duration::from_nanos(u64::MAX - 1), true),
            BridgeMessage::Clock(Duration::from_nanos(1), false),
            BridgeMessage::Withdrawn(u64::MAX),
            BridgeMessage::Known(vec![id, Id { caller: 1, number: 2 }]),
            BridgeMessage::Newest(vec![NewestNumber { name: "lab/a".into(), incarnation: 3, sequence: 4 }]),
        ] {
            let bytes = Bytes::from(message.to_bytes(11));
            assert_eq!(BridgeMessage::from_bytes(&bytes), Some((11, message.clone())), "{message:?}");
            assert_eq!(BridgeMessage::from_bytes(&bytes.slice(..HEAD - 1)), None);
        }
        assert_eq!(BridgeMessage::from_bytes(&Bytes::from(vec![7; HEAD])), None);
    }
}
