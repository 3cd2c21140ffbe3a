//! A message that lies complete in a link, and how it is taken there: out of a record of a ring, out of slots, or out
//! of what a read has brought. Finding one changes nothing; what is not found here is left to [`Rx::try_recv`].

use super::{BodyViews, FastLinked, FastRecord, InSlots, Rx, ShmRx, Small, StreamRx};
use crate::codec::Encoding;
use crate::frame::{Header, Incoming, Kind};

/// A short message, whose body the caller has memory for.
pub struct Short<'a> {
    header: Header,
    place: ShortPlace<'a>,
}

enum ShortPlace<'a> {
    Record(&'a mut ShmRx, Small),
    Read(&'a mut StreamRx),
}

impl Short<'_> {
    /// Returns its header.
    #[inline]
    pub fn header(&self) -> Header {
        self.header
    }

    /// Copies its body into memory of its length, and moves on.
    #[inline(always)]
    pub fn take(self, body: &mut [u8]) {
        match self.place {
            ShortPlace::Record(half, small) => half.take_small(&small, body),
            ShortPlace::Read(half) => half.take_short(body),
        }
    }
}

/// A message that gets memory of its own, or views its slots.
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
    /// Returns its header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Takes it, and moves on. `None` where it is not there, which is never so.
    pub fn take(self) -> Option<Incoming> {
        match self.place {
            LongPlace::Record(half, fast) => Some(half.take_whole(&fast)),
            LongPlace::Slots(half, found) => Some(half.take_in_slots(found)),
            LongPlace::Read(half) => half.take_whole(),
        }
    }
}

/// Data without flags and without an acknowledgement, in one record of a ring, as nearly all of it is there.
pub struct DataInRecord<'a> {
    half: &'a mut ShmRx,
    fast: FastRecord,
}

impl DataInRecord<'_> {
    /// Returns the bytes of its body.
    #[inline]
    pub fn length(&self) -> usize {
        self.fast.length()
    }

    /// Returns the encoding of its body.
    #[inline]
    pub fn encoding(&self) -> Encoding {
        self.fast.encoding()
    }

    /// Returns its number.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.half.next_sequence()
    }

    /// Copies its body into memory of its length, and moves on. Returns the time of sending, ns since 1970.
    #[inline(always)]
    pub fn take(self, body: &mut [u8]) -> i64 {
        self.half.take_fast(&self.fast, body)
    }
}

/// A reply of that form.
pub struct ReplyInRecord<'a> {
    half: &'a mut ShmRx,
    reply: FastLinked,
}

impl ReplyInRecord<'_> {
    /// Returns what the record has beside the body.
    #[inline]
    pub fn words(&self) -> &FastLinked {
        &self.reply
    }

    /// Copies its body into memory of its length, and moves on.
    #[inline(always)]
    pub fn take(self, body: &mut [u8]) {
        self.half.take_reply(&self.reply, body);
    }
}

/// What a look at a link finds before a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// There may be a message.
    Found,
    /// There was none.
    Nothing,
    /// There was none, and none the last times either: a sleep is likely.
    Repeatedly,
}

impl Rx {
    /// Returns the data that is the next record.
    #[inline(always)]
    pub fn data_in_record(&mut self) -> Option<DataInRecord<'_>> {
        let Rx::Shm(half) = self else { return None };
        let fast = half.peek_fast(Kind::Data)?;
        Some(DataInRecord { half, fast })
    }

    /// Returns the reply that is the next record. The room of messages before it is free in any case: they were copied.
    #[inline(always)]
    pub fn reply_in_record(&mut self) -> Option<ReplyInRecord<'_>> {
        let Rx::Shm(half) = self else { return None };
        half.consumed();
        let reply = half.peek_reply()?;
        Some(ReplyInRecord { half, reply })
    }

    /// Returns the next message where it is short.
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

    /// Returns the next message where it is not short: data in one record, or with long arrays in slots of which this
    /// side has mapped all files, or what a read has put into memory of its own.
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

    /// Polls for a message: in memory for about a microsecond, where that is known to succeed; the room of earlier
    /// messages is free meanwhile. A stream is read once.
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

    /// Reads a stream once, unless the last reads brought nothing. In memory, nothing is looked for.
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

    /// Reads once what has arrived, where a read brings messages.
    pub fn fill(&mut self) {
        if let Rx::Stream(half) = self {
            half.fill();
        }
    }

    /// From now on this much of a body that is in a slot of the peer's is left there: of data and, but for the whole,
    /// requests; and of replies.
    pub fn view_bodies(&mut self, data: BodyViews, replies: BodyViews) {
        match self {
            Rx::Shm(half) => half.view_bodies(data, replies),
            Rx::Published(half) => half.view_bodies(data),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Place(_) => {}
        }
    }
}
