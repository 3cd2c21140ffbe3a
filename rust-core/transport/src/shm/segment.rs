//! The layout of one side's memory file: a header page, then the ring.
//!
//! Only the owner writes its file, so it needs no locks, and a SIGKILL leaves nothing to repair. The owner allocates
//! the whole file and seals it before sending. The peer checks seals, size and header, and maps it read-only. A peer
//! may change its own words later; the code that reads a word treats any value as harmless or `Malformed`.
//!
//! | file | magic | ring | owner |
//! |---|---|---|---|
//! | one side of a channel | `LINKSHM1` | its messages to the peer | each of the two sides |
//! | broadcast | `LINKPUB1` | its published messages | a publisher |
//! | subscriber's page | `LINKSUB1` | none | a subscriber |
//!
//! A test below writes the table in `docs/transports.md`.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::memory::{Memory, OwnMemory};
use crate::buffers;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::memory::{MemoryFile, PeerFile, PeerMemory};

/// Offsets in the header page.
///
/// One writer stores the words of a block of 128 bytes: the processor fetches lines in pairs. Channel and broadcast
/// files use some offsets for different words.
pub(super) mod at {
    pub const MAGIC: usize = 0;
    /// The layout's version.
    pub const LAYOUT: usize = 8;
    pub const FLAGS: usize = 16;
    /// The session of the owner's incarnation, as in its hello.
    pub const SESSION: usize = 24;
    pub const RING: usize = 32;
    pub const RING_LENGTH: usize = 40;
    /// How far the owner has read the *peer's* ring: freed room, no acknowledgement.
    pub const HEAD: usize = 128;
    /// The peer's frames that the owner has consumed. A subscriber: the last sequence that it read.
    pub const CONSUMED: usize = 136;
    /// How far the owner's program has consumed the peer's session.
    pub const ACKNOWLEDGED: usize = 144;
    /// The number of the peer's newest request that the owner has taken.
    ///
    /// It is stored before the program has the request, so after the owner's death the peer knows which may have been
    /// carried out.
    pub const TAKEN: usize = 152;
    /// How the owner sleeps for something to read: see [`super::super::park`].
    pub const DATA_PARK: usize = 256;
    /// How the owner sleeps for room in its ring.
    pub const ROOM_PARK: usize = 384;
    /// The peer's head that should wake the owner.
    pub const ROOM_WANTED: usize = 392;
    /// The number to acknowledge with a frame; 0 for none.
    pub const ACK_WANTED: usize = 400;
    pub const STATE: usize = 512;
    /// Broadcast: the end of the bytes that may be changing.
    pub const RESERVED: usize = 128;
    /// Broadcast: the position after the newest record.
    pub const TAIL: usize = 256;
    pub const LATEST: usize = 384;
    /// Broadcast: where an overtaken reader continues.
    pub const RESTART: usize = 392;
    pub const COUNT: usize = 400;
    /// A waiting peer's futex word; changes before each wake-up.
    pub const DATA_WAKE: usize = 640;
    /// The futex word of a peer that waits for room.
    pub const ROOM_WAKE: usize = 648;
    /// The released references into each of the peer's slots.
    pub const RELEASED: usize = 768;
    /// Subscriber: how many slot files it has taken from the socket.
    pub const FILES_TAKEN: usize = 144;
    /// Subscriber: its views of each slot, and a copy, [`VIEW_BITS`] bits each: one load is consistent.
    pub const VIEWS: usize = 768;
    /// Broadcast: not 0 once the futex wakes no subscribers.
    pub const POLL_ONLY: usize = 648;
}

pub(super) mod state {
    /// The owner lives and may write.
    pub const OPEN: u64 = 0;
    /// The owner has left and writes nothing more.
    pub const CLOSED: u64 = 1;
    /// Broadcast: the publisher continues in a larger file.
    pub const MOVED: u64 = 2;
}

pub const SLOTS: usize = 16;
/// One subscriber's most views of slots; further arrays are copied.
pub(super) const SHARE: usize = 4;
/// One subscriber's most protected slots: its views, and a copy.
pub(super) const CLAIMS: usize = SHARE + 1;
pub(super) const VIEW_BITS: usize = 4;

const _: () = assert!(SLOTS * VIEW_BITS == 64 && CLAIMS < 1 << VIEW_BITS);

/// Bytes of the header page, before the ring.
pub(super) const PAGE: usize = 4096;
pub const MIN_RING: usize = 4096;
/// The largest ring in bytes; a longer one leaves the caches.
pub const MAX_RING: usize = 1 << 30;
/// The default ring of a channel (option `buffer`), in bytes.
pub const DEFAULT_RING: usize = 256 << 10;

/// The only layout; a change of any word's meaning needs a new number.
pub(super) const LAYOUT: u64 = 9;
pub(super) const CHANNEL: u64 = u64::from_le_bytes(*b"LINKSHM1");
pub(super) const BROADCAST: u64 = u64::from_le_bytes(*b"LINKPUB1");
pub(super) const PAGE_OF_SUBSCRIBER: u64 = u64::from_le_bytes(*b"LINKSUB1");

/// Creates a memory file with a header and a ring of `ring` bytes (0 for none).
///
/// # Errors
/// `OutOfMemory` if the memory is refused.
pub(super) fn create(magic: u64, session: u64, ring: usize) -> Result<MemoryFile> {
    let memory = MemoryFile::create("linkspan", PAGE + ring)?;
    format(&memory, magic, session, ring);
    Ok(memory)
}

/// Calls `create` again if the pool of blocks could return memory.
pub(super) fn with_the_pools_memory<T>(create: impl Fn() -> Result<T>) -> Result<T> {
    create().or_else(|error| match error.kind() {
        ErrorKind::OutOfMemory if buffers::give_back() => create(),
        _ => Err(error),
    })
}

pub(super) fn format(memory: &impl OwnMemory, magic: u64, session: u64, ring: usize) {
    let words = [
        (at::MAGIC, magic),
        (at::LAYOUT, LAYOUT),
        (at::SESSION, session),
        (at::RING, PAGE as u64),
        (at::RING_LENGTH, ring as u64),
    ];
    for (at, value) in words {
        memory.store(at, value, Ordering::Release);
    }
}

/// Maps a peer's file and checks its header; returns memory and length of its ring.
///
/// # Errors
/// `Malformed` for a file that is not sealed, not allocated or of a wrong size, or for a wrong header.
/// `VersionMismatch` for another layout; `OutOfMemory` if mapping fails.
pub(super) fn open(file: &PeerFile, magic: u64, session: u64) -> Result<(PeerMemory, usize)> {
    let (min, max) = if magic == PAGE_OF_SUBSCRIBER { (0, 0) } else { (MIN_RING, MAX_RING) };
    let memory = PeerMemory::open(file, PAGE + min, PAGE + max)?;
    let ring = check(&memory, memory.length(), magic, session)?;
    Ok((memory, ring))
}

/// Checks the header; returns the length of the ring. Errors as [`open`].
pub(super) fn check(memory: &impl Memory, length: usize, magic: u64, session: u64) -> Result<usize> {
    let word = |at: usize| memory.load(at, Ordering::Acquire);
    let refuse = |at: usize, text: String| Err(Error::new(ErrorKind::Malformed, text).at(at));
    if word(at::MAGIC) != magic {
        return refuse(at::MAGIC, format!("the peer's memory file begins with {:#018x}", word(at::MAGIC)));
    }
    let layout = word(at::LAYOUT);
    if layout != LAYOUT {
        let text = format!(
            "the peer's memory file has layout {layout}, this library knows layout {LAYOUT}; let both sides use one version"
        );
        return Err(Error::new(ErrorKind::VersionMismatch, text).at(at::LAYOUT));
    }
    if word(at::FLAGS) != 0 {
        return refuse(at::FLAGS, "the peer's memory file has unknown flags".into());
    }
    if word(at::SESSION) != session {
        return refuse(at::SESSION, "the peer's memory file belongs to another session".into());
    }
    if word(at::RING) != PAGE as u64 {
        return refuse(at::RING, format!("the peer's ring begins at {}, not at {PAGE}", word(at::RING)));
    }
    let ring = length - PAGE;
    if word(at::RING_LENGTH) != ring as u64 || !(ring == 0 || ring.is_power_of_two()) {
        let text = format!("the peer's ring of {} bytes in a file of {length}", word(at::RING_LENGTH));
        return refuse(at::RING_LENGTH, text);
    }
    Ok(ring)
}

/// The length of a ring for `buffer` bytes. `TooLarge` above [`MAX_RING`].
pub(super) fn ring_length(buffer: usize) -> Result<usize> {
    if buffer > MAX_RING {
        let text = format!("a buffer of {buffer} bytes: at most {MAX_RING} are allowed");
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    Ok(buffer.max(MIN_RING).next_power_of_two())
}

/// This side's half of a channel's memory.
#[derive(Debug)]
pub struct Segment {
    pub(super) memory: Arc<MemoryFile>,
    pub(super) ring: usize,
}

impl Segment {
    /// A segment with a ring of at least `buffer` bytes.
    ///
    /// # Errors
    /// As [`create`] and [`ring_length`].
    pub fn create(session: u64, buffer: usize) -> Result<Segment> {
        let ring = ring_length(buffer)?;
        Ok(Segment { memory: Arc::new(create(CHANNEL, session, ring)?), ring })
    }

    /// The memory file for the peer.
    pub fn descriptor_for_peer(&self) -> BorrowedFd<'_> {
        self.memory.fd()
    }
}

/// The peer's half, checked and mapped read-only.
#[derive(Debug)]
pub struct PeerSegment {
    pub(super) memory: Arc<PeerMemory>,
    pub(super) ring: usize,
}

impl PeerSegment {
    /// Checks and maps a hello's descriptor.
    ///
    /// # Errors
    /// As [`open`], and `Malformed` for another number of descriptors.
    pub fn from_descriptors(descriptors: Vec<PeerFile>, session: u64) -> Result<PeerSegment> {
        let (memory, ring) = open(&single_descriptor(descriptors)?, CHANNEL, session)?;
        Ok(PeerSegment { memory: Arc::new(memory), ring })
    }
}

/// More are refused, because a call on each could block.
pub(super) fn single_descriptor(descriptors: Vec<PeerFile>) -> Result<PeerFile> {
    match <[PeerFile; 1]>::try_from(descriptors) {
        Ok([memory]) => Ok(memory),
        Err(got) => {
            let text = format!(
                "a hello over shared memory comes with 1 descriptor, a memory file of layout {LAYOUT}; this one came with {}",
                got.len()
            );
            Err(Error::new(ErrorKind::Malformed, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::heap::Heap;
    use super::*;

    fn sent(segment: &Segment) -> Vec<PeerFile> {
        vec![segment.descriptor_for_peer().try_clone_to_owned().unwrap().into()]
    }

    #[test]
    fn segment_is_accepted_for_its_session_only() {
        let mine = Segment::create(42, 5000).unwrap();
        let peer = PeerSegment::from_descriptors(sent(&mine), 42).unwrap();
        assert_eq!((mine.ring, peer.ring), (8192, 8192));
        let error = PeerSegment::from_descriptors(sent(&mine), 43).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Malformed, Some(at::SESSION as u64)));
    }

    #[test]
    fn segment_other_number_of_descriptors_is_refused() {
        let mine = Segment::create(42, 5000).unwrap();
        for count in [0, 2, 3] {
            let descriptors = (0..count).flat_map(|_| sent(&mine)).collect();
            let error = PeerSegment::from_descriptors(descriptors, 42).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
            assert!(error.text().ends_with(&format!("came with {count}")), "{error}");
        }
    }

    #[test]
    fn segment_of_another_layout_is_a_version_mismatch() {
        let memory = Heap::new(PAGE + 4096);
        format(&memory, CHANNEL, 7, 4096);
        memory.store(at::LAYOUT, 1, Ordering::Relaxed);
        let error = check(&memory, PAGE + 4096, CHANNEL, 7).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::VersionMismatch);
        assert!(error.text().contains("layout 1"), "{error}");
    }

    #[test]
    fn segment_invalid_header_word_is_refused_with_its_offset() {
        for at in [at::MAGIC, at::LAYOUT, at::FLAGS, at::SESSION, at::RING, at::RING_LENGTH] {
            let memory = Heap::new(PAGE + 4096);
            format(&memory, CHANNEL, 7, 4096);
            assert_eq!(check(&memory, PAGE + 4096, CHANNEL, 7).unwrap(), 4096);
            memory.store(at, 1 << 40, Ordering::Relaxed);
            let error = check(&memory, PAGE + 4096, CHANNEL, 7).unwrap_err();
            assert_eq!(error.offset(), Some(at as u64));
        }
    }

    #[test]
    fn ring_length_is_a_power_of_two_within_bounds() {
        assert_eq!(ring_length(0).unwrap(), MIN_RING);
        assert_eq!(ring_length(DEFAULT_RING).unwrap(), 256 << 10);
        assert_eq!(ring_length(MAX_RING + 1).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn documents_have_the_header_page() {
        let magic = |magic: u64| String::from_utf8(magic.to_le_bytes().to_vec()).unwrap();
        let all = magic(CHANNEL) + " " + &magic(BROADCAST) + " " + &magic(PAGE_OF_SUBSCRIBER);
        let states = format!(
            "{} open, {} closed, {} moved (a publisher's ring: a larger file goes on)",
            state::OPEN,
            state::CLOSED,
            state::MOVED
        );
        let pages = "channel, broadcast, subscriber";
        let rows = [
            (at::MAGIC, pages, format!("magic: {all}")),
            (at::LAYOUT, pages, format!("layout: {LAYOUT}")),
            (at::FLAGS, pages, "flags: 0".into()),
            (at::SESSION, pages, "session of the owner, as in its hello".into()),
            (at::RING, pages, format!("where the ring begins: {PAGE}")),
            (
                at::RING_LENGTH,
                pages,
                format!("bytes of the ring: 0 (subscriber) or a power of two from {MIN_RING} to {MAX_RING}"),
            ),
            (at::HEAD, "channel", "head: up to where the owner has read the peer's ring".into()),
            (at::CONSUMED, "channel", "how many of the peer's frames the owner has dealt with".into()),
            (
                at::ACKNOWLEDGED,
                "channel",
                "the number up to which the owner's program has consumed the messages of the peer's session"
                    .into(),
            ),
            (
                at::TAKEN,
                "channel",
                "the number of the newest request of the peer's session that the owner has taken".into(),
            ),
            (
                at::DATA_PARK,
                "channel",
                "park word: how the owner sleeps until there is something to read".into(),
            ),
            (
                at::ROOM_PARK,
                "channel",
                "park word: how the owner sleeps until there is room in its own ring".into(),
            ),
            (at::ROOM_WANTED, "channel", "the peer's head from which on waking the owner helps".into()),
            (
                at::ACK_WANTED,
                "channel",
                "the owner waits for an `ack` that says this number or a higher one; 0: it does not".into(),
            ),
            (at::RESERVED, "broadcast", "up to where the publisher may be overwriting".into()),
            (at::TAIL, "broadcast", "behind the newest record".into()),
            (at::LATEST, "broadcast", "where the newest record begins".into()),
            (at::RESTART, "broadcast", "where a reader that was overtaken goes on".into()),
            (at::COUNT, "broadcast", "records written so far".into()),
            (at::STATE, "channel, broadcast", format!("state: {states}")),
            (at::CONSUMED, "subscriber", "sequence of the message that was read last".into()),
            (at::FILES_TAKEN, "subscriber", "how many files of slots it has taken from the socket".into()),
            (at::DATA_PARK, "subscriber", "park word: how the subscriber sleeps".into()),
            (
                at::VIEWS,
                "subscriber",
                format!(
                    "views of each of the publisher's {SLOTS} slots, {VIEW_BITS} bits each, slot 0 in the lowest; at most {SHARE} in all, and one more while it copies"
                ),
            ),
            (
                at::DATA_WAKE,
                "channel, broadcast",
                "wake word: changes before the owner wakes a peer that waits for something to read".into(),
            ),
            (
                at::ROOM_WAKE,
                "channel",
                "wake word: changes before the owner wakes a peer that waits for room".into(),
            ),
            (
                at::RELEASED,
                "channel",
                format!(
                    "how many references into the peer's slot 0 the owner has done with; the words behind it are of the slots 1 to {}",
                    SLOTS - 1
                ),
            ),
            (
                at::POLL_ONLY,
                "broadcast",
                "not 0: subscribers in the futex are no longer woken, so sleep in poll at once".into(),
            ),
        ]
        .map(|(at, page, meaning)| [at.to_string(), page.to_owned(), meaning]);
        let table = crate::documents::table(["offset", "in the page of", "meaning of the 8 bytes"], rows);
        crate::documents::check("segment", &table);
    }
}
