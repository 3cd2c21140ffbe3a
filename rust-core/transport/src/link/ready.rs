//! Messages that lie complete in a link: in a record of a ring, in slots, or in the bytes of a read.
//!
//! Looking for a message changes nothing. [`Rx::try_recv`] receives every message that these functions do not
//! find.

use super::{BodyViews, FastLinked, FastRecord, InSlots, Rx, ShmRx, Small, StreamRx};
use crate::codec::Encoding;
use crate::frame::{Header, Incoming, Kind};

/// A short message; the caller has memory for its body.
pub struct Short<'a> {
    header: Header,
    place: ShortPlace<'a>,
}

enum ShortPlace<'a> {
    Record(&'a mut ShmRx, Small),
    Read(&'a mut StreamRx),
}

impl Short<'_> {
    #[inline]
    pub fn header(&self) -> Header {
        self.header
    }

    #[inline(always)]
    pub fn take(self, body: &mut [u8]) {
        match self.place {
            ShortPlace::Record(half, small) => half.take_small(&small, body),
            ShortPlace::Read(half) => half.take_short(body),
        }
    }
}

/// A message that gets its own memory, or views its slots.
pub struct Long<'a> {
    header: Header,
    place: LongPlace<'a>,
}

enum LongPlace<'a> {
    Record(&'a mut ShmRx, FastRecord),
    Slots(&'a mut ShmRx, InSlots),
    Read(&'a mut StreamRx),
}

impl Long<'_> {
    pub fn header(&self) -> Header {
        self.header
    }

    /// Takes the message, which is always present.
    pub fn take(self) -> Option<Incoming> {
        match self.place {
            LongPlace::Record(half, fast) => Some(half.take_whole(&fast)),
            LongPlace::Slots(half, found) => Some(half.take_in_slots(found)),
            LongPlace::Read(half) => half.take_whole(),
        }
    }
}

/// Data without flags or acknowledgement in one record of a ring: by far the most common message.
pub struct DataInRecord<'a> {
    half: &'a mut ShmRx,
    fast: FastRecord,
}

impl DataInRecord<'_> {
    #[inline]
    pub fn length(&self) -> usize {
        self.fast.length()
    }

    #[inline]
    pub fn encoding(&self) -> Encoding {
        self.fast.encoding()
    }

    #[inline]
    pub fn sequence(&self) -> u64 {
        self.half.next_sequence()
    }

    /// Copies the body and moves on. Returns the time of sending, ns since 1970.
    #[inline(always)]
    pub fn take(self, body: &mut [u8]) -> i64 {
        self.half.take_fast(&self.fast, body)
    }
}

/// A reply without flags or acknowledgement in one record of a ring.
pub struct ReplyInRecord<'a> {
    half: &'a mut ShmRx,
    reply: FastLinked,
}

impl ReplyInRecord<'_> {
    #[inline]
    pub fn words(&self) -> &FastLinked {
        &self.reply
    }

    #[inline(always)]
    pub fn take(self, body: &mut [u8]) {
        self.half.take_reply(&self.reply, body);
    }
}

/// The result of a look at a link before a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// There may be a message.
    Found,
    /// There is nothing.
    Nothing,
    /// There is nothing, as in the last polls: a sleep is likely.
    Repeatedly,
}

impl Rx {
    /// Returns the next record if it is data.
    #[inline(always)]
    pub fn data_in_record(&mut self) -> Option<DataInRecord<'_>> {
        let Rx::Shm(half) = self else { return None };
        let fast = half.peek_fast(Kind::Data)?;
        Some(DataInRecord { half, fast })
    }

    /// Returns the next record if it is a reply. Frees the room of earlier messages.
    #[inline(always)]
    pub fn reply_in_record(&mut self) -> Option<ReplyInRecord<'_>> {
        let Rx::Shm(half) = self else { return None };
        half.consumed();
        let reply = half.peek_reply()?;
        Some(ReplyInRecord { half, reply })
    }

    /// Returns the next message if it is short.
    #[inline(always)]
    pub fn short(&mut self) -> Option<Short<'_>> {
        match self {
            Rx::Shm(half) => {
                let small = half.peek_small()?;
                Some(Short { header: small.header(), place: ShortPlace::Record(half, small) })
            }
            Rx::Stream(half) => {
                let header = match half.peek_fast() {
                    Some(header) => header,
                    None => half.peek().filter(|_| !half.is_whole())?,
                };
                Some(Short { header, place: ShortPlace::Read(half) })
            }
            Rx::Plain(_) | Rx::Place(_) | Rx::Published(_) => None,
        }
    }

    /// Returns the next message if it is long.
    ///
    /// Such a message is data in one record, or has long arrays in mapped slots, or was read into its own
    /// memory.
    #[inline(never)]
    pub fn long(&mut self) -> Option<Long<'_>> {
        match self {
            Rx::Shm(half) => {
                if let Some(fast) = half.peek_fast(Kind::Data) {
                    let (sequence, body) = (half.next_sequence(), fast.length() as u64);
                    let header = Header { sequence, body, ..Header::new(Kind::Data, fast.encoding()) };
                    return Some(Long { header, place: LongPlace::Record(half, fast) });
                }
                let found = half.peek_in_slots().filter(|found| found.header().kind == Kind::Data)?;
                Some(Long { header: *found.header(), place: LongPlace::Slots(half, found) })
            }
            Rx::Stream(half) => {
                let header = half.peek().filter(|_| half.is_whole())?;
                Some(Long { header, place: LongPlace::Read(half) })
            }
            Rx::Plain(_) | Rx::Place(_) | Rx::Published(_) => None,
        }
    }

    /// Polls for a message before a wait. Frees the room of earlier messages.
    ///
    /// In memory it polls for about a microsecond if that usually succeeds.
    #[inline]
    pub fn poll_first(&mut self) -> Polled {
        match self {
            Rx::Shm(half) => {
                half.consumed();
                if half.poll_briefly() { Polled::Found } else { Polled::Nothing }
            }
            _ => self.poll_once(),
        }
    }

    /// Reads a stream once, except after reads that brought nothing. Memory is not polled.
    #[inline(never)]
    pub fn poll_once(&mut self) -> Polled {
        match self {
            Rx::Stream(half) if half.last_polls_were_empty() => Polled::Repeatedly,
            Rx::Stream(half) => {
                if half.poll() {
                    Polled::Found
                } else {
                    Polled::Nothing
                }
            }
            Rx::Shm(_) | Rx::Plain(_) | Rx::Place(_) | Rx::Published(_) => Polled::Nothing,
        }
    }

    /// Reads arrived bytes once, if the link is a stream.
    pub fn fill(&mut self) {
        if let Rx::Stream(half) = self {
            half.fill();
        }
    }

    /// Sets how much of a body stays in the peer's slots instead of being copied.
    ///
    /// `data` applies to data, and to requests except for whole bodies. `replies` applies to replies.
    pub fn view_bodies(&mut self, data: BodyViews, replies: BodyViews) {
        match self {
            Rx::Shm(half) => half.view_bodies(data, replies),
            Rx::Published(half) => half.view_bodies(data),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Place(_) => {}
        }
    }
}
