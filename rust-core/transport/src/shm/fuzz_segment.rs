//! Fuzz target: a peer's memory file from any bytes: size, seals, header, words, and their changes.
//!
//! It asserts that a file with a wrong form is refused, that errors have the expected kinds, and that every loop ends.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::fs::SealFlags;

use super::broadcast::{RingReader, Subscription};
use super::segment::{PAGE, PeerSegment, Segment, at};
use super::{LinkParts, link};
use crate::broadcast::{Received, Start};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind};
use crate::frame::{Header, Kind, Outgoing};
use crate::sys::fork::Guarded;
use crate::sys::memory::{MemoryFile, PeerFile};

const SESSION: u64 = 42;
/// The longest message in bytes.
const LIMIT: u64 = 1 << 16;
const LONGEST: usize = PAGE + (16 << 10);

/// The words of the page, in the order of the input; the ring's words follow.
const WORDS: [usize; 20] = [
    at::MAGIC,
    at::LAYOUT,
    at::FLAGS,
    at::SESSION,
    at::RING,
    at::RING_LENGTH,
    at::HEAD,
    at::CONSUMED,
    at::LATEST,
    at::RESTART,
    at::COUNT,
    at::DATA_PARK,
    at::ROOM_PARK,
    at::ROOM_WANTED,
    at::STATE,
    at::DATA_WAKE,
    at::ROOM_WAKE,
    at::POLL_ONLY,
    // Words without a meaning.
    56,
    PAGE - 8,
];

/// Which side maps the file; the first byte of the input selects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Channel,
    Subscriber,
    Publisher,
}

/// The first eight bytes of the input: the form of the file and of the hello.
struct RecordForm {
    role: Role,
    seals: SealFlags,
    has_holes: bool,
    /// Descriptors of the hello: up to 4 only the file; above, none, a second one, or another kind.
    descriptors: u8,
    length: usize,
}

impl RecordForm {
    fn of(bytes: [u8; 8]) -> RecordForm {
        let [role, without, holes, descriptors, length @ ..] = bytes;
        let role = [Role::Channel, Role::Subscriber, Role::Publisher][usize::from(role % 3)];
        let all = [SealFlags::SHRINK, SealFlags::GROW, SealFlags::FUTURE_WRITE, SealFlags::SEAL];
        let kept = all.into_iter().enumerate().filter(|(i, _)| without >> i & 1 == 0);
        let length = (u32::from_le_bytes(length) as usize % (LONGEST + 1)).max(8);
        RecordForm {
            role,
            seals: kept.map(|(_, seal)| seal).collect(),
            // The page with the header is never a hole.
            has_holes: holes & 1 == 1 && length > PAGE,
            descriptors: descriptors % 8,
            length,
        }
    }

    /// Whether such a file may be mapped, whatever its contents.
    fn is_sound(&self) -> bool {
        self.seals.bits().count_ones() == 4 && !self.has_holes && self.descriptors < 5 && self.length >= PAGE
    }
}

fn word_of(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

fn expected(error: &Error) {
    let kinds = [
        ErrorKind::Malformed,
        ErrorKind::VersionMismatch,
        ErrorKind::TooLarge,
        ErrorKind::OutOfMemory,
        ErrorKind::Disconnected,
        ErrorKind::Lagged,
        ErrorKind::Stalled,
    ];
    assert!(kinds.contains(&error.kind()), "{error:?}");
}

/// Maps a peer's file from its hello; then reads, writes and sleeps while the bytes change it.
pub fn segment(bytes: &[u8]) {
    take(bytes);
}

/// [`segment`]; returns whether the file was accepted.
fn take(bytes: &[u8]) -> bool {
    let Some((form, rest)) = bytes.split_first_chunk::<8>() else { return false };
    let form = RecordForm::of(*form);
    // Writing a word allocates its page, so words in the hole are not written.
    let peer_file = MemoryFile::forged(form.length, form.seals, form.has_holes).expect("a file to map");
    let places: Vec<usize> = WORDS
        .into_iter()
        .chain((PAGE..form.length).step_by(8))
        .filter(|place| {
            place + 8 <= if form.has_holes { (form.length - 1) & !(PAGE - 1) } else { form.length }
        })
        .collect();
    let (words, _) = rest.as_chunks::<8>();
    let (words, changes) = words.split_at(words.len().min(places.len()));
    for (place, word) in places.iter().zip(words) {
        peer_file.word(*place).store(word_of(word), Ordering::Relaxed);
    }
    // A change has two words: the place, and its new value.
    let changes = changes.as_chunks::<2>().0.iter().filter_map(|[place, word]| {
        let place = places.get(word_of(place) as usize % places.len().max(1))?;
        Some((*place, word_of(word)))
    });
    let change = |(place, word)| peer_file.word(place).store(word, Ordering::Relaxed);
    let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("two sockets");
    let descriptors = descriptors(&form, &peer_file, &socket);
    match form.role {
        Role::Channel => channel(&form, descriptors, socket.into(), changes, change),
        Role::Subscriber => subscriber(&form, descriptors, changes, change),
        Role::Publisher => publisher(&form, descriptors, socket.into(), changes, change),
    }
}

fn descriptors(
    form: &RecordForm,
    peer_file: &MemoryFile,
    socket: &std::os::unix::net::UnixStream,
) -> Vec<OwnedFd> {
    let copy = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().expect("a descriptor");
    let file = copy(peer_file.fd());
    match form.descriptors {
        5 => vec![],
        6 => vec![file, copy(socket.as_fd())],
        7 => vec![copy(socket.as_fd())],
        _ => vec![file],
    }
}

/// Asserts that only a file of the right form was accepted.
fn accepted<T>(form: &RecordForm, opened: Result<T, Error>, ring: impl Fn(&T) -> usize) -> Option<T> {
    match opened {
        Ok(opened) => {
            assert!(form.is_sound(), "taken with the seals {:?}, holes {}", form.seals, form.has_holes);
            assert_eq!(ring(&opened) + PAGE, form.length, "a ring of another length than the file's");
            Some(opened)
        }
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::VersionMismatch), "{error:?}");
            None
        }
    }
}

/// Reads everything there is; returns whether more may arrive.
fn read_all<T>(mut next: impl FnMut() -> Result<Option<T>, Error>, good: impl Fn(T)) -> bool {
    // A ring of 16 KiB holds at most 1,024 records, so more would be an endless loop.
    for _ in 0..2_100 {
        match next() {
            Ok(Some(frame)) => good(frame),
            Ok(None) => return true,
            Err(error) => {
                expected(&error);
                if !matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::OutOfMemory | ErrorKind::Lagged) {
                    return error.kind() == ErrorKind::Stalled;
                }
            }
        }
    }
    panic!("an unchanging ring ends");
}

fn files(descriptors: Vec<OwnedFd>) -> Vec<PeerFile> {
    descriptors.into_iter().map(PeerFile::from).collect()
}

/// Uses the file as one side of a channel: reads, writes and sleeps while the words change.
fn channel(
    form: &RecordForm,
    descriptors: Vec<OwnedFd>,
    socket: OwnedFd,
    changes: impl Iterator<Item = (usize, u64)>,
    change: impl Fn((usize, u64)),
) -> bool {
    let opened = PeerSegment::from_descriptors(files(descriptors), SESSION);
    let Some(peer) = accepted(form, opened, |peer| peer.ring) else { return false };
    let mine = Segment::create(1, 0).expect("a memory file");
    let parts = LinkParts { mine, peer, socket: Arc::new(Guarded::new(socket)), process: None, slots: None };
    let (mut tx, mut rx) = link(parts, LIMIT, Duration::ZERO).expect("a link");
    let body = [7; 100];
    for (sequence, next) in (1..).zip(changes.map(Some).chain([None])) {
        let header = Header { sequence, body: 100, ..Header::new(Kind::Data, Encoding::Cbor) };
        if let Err(error) =
            tx.try_send(&Outgoing { header, extension: &[], body: &body, split: None, owner: None })
        {
            expected(&error);
        }
        let reads = read_all(
            || {
                rx.consumed();
                rx.try_recv()
            },
            |frame| assert!(frame.body.len() as u64 <= LIMIT, "a body of {} bytes", frame.body.len()),
        );
        match rx.park() {
            Ok(_) => rx.unpark(),
            Err(error) => expected(&error),
        }
        match next {
            Some(next) if reads => change(next),
            _ => break,
        }
    }
    true
}

fn subscriber(
    form: &RecordForm,
    mut descriptors: Vec<OwnedFd>,
    changes: impl Iterator<Item = (usize, u64)>,
    change: impl Fn((usize, u64)),
) -> bool {
    let Some(file) = descriptors.pop().filter(|_| descriptors.is_empty()) else { return false };
    let opened = RingReader::open(file, SESSION, LIMIT, Start::Newest);
    let Some(mut ring_reader) = accepted(form, opened, |ring_reader| ring_reader.peer().length() - PAGE)
    else {
        return false;
    };
    for next in changes.map(Some).chain([None]) {
        let mut read = || match ring_reader.read()? {
            Received::Frame(frame) => Ok(Some(frame)),
            Received::Nothing | Received::Moved => Ok(None),
        };
        let mut turns = 0;
        // Its words can move the end of a publisher's ring forever, so this limits the number of reads.
        let reads = read_all(
            || {
                turns += 1;
                if turns > 50 { Ok(None) } else { read() }
            },
            |frame| assert!(frame.body.len() as u64 <= LIMIT, "a body of {} bytes", frame.body.len()),
        );
        if let Err(error) = ring_reader.latest() {
            expected(&error);
        }
        match next {
            Some(next) if reads => change(next),
            _ => break,
        }
    }
    true
}

fn publisher(
    form: &RecordForm,
    descriptors: Vec<OwnedFd>,
    socket: OwnedFd,
    changes: impl Iterator<Item = (usize, u64)>,
    change: impl Fn((usize, u64)),
) -> bool {
    let opened = Subscription::from_descriptors(files(descriptors), SESSION, Arc::new(Guarded::new(socket)));
    let Some(mut subscription) = accepted(form, opened, |_| 0) else { return false };
    for next in changes.map(Some).chain([None]) {
        let _ = (subscription.read_so_far(), subscription.take_stage());
        if let Some(next) = next {
            change(next);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::broadcast::ring_writer::RingWriter;
    use super::super::memory::heap::Heap;
    use super::super::memory::{Memory, OwnMemory};
    use super::super::segment;
    use super::super::tests::{data, pattern};
    use super::super::writer::Writer;
    use super::*;

    const RING: usize = 4096;
    const WHOLE: [u8; 4] = [0; 4];

    fn input(form: [u8; 4], length: usize, memory: &Heap, changes: &[(usize, u64)]) -> Vec<u8> {
        let mut bytes = form.to_vec();
        bytes.extend((length as u32).to_le_bytes());
        let places: Vec<usize> = WORDS.into_iter().chain((PAGE..length).step_by(8)).collect();
        bytes.extend(places.iter().flat_map(|at| memory.load(*at, Ordering::Relaxed).to_le_bytes()));
        for (at, word) in changes {
            let index = places.iter().position(|place| place == at).unwrap() as u64;
            bytes.extend([index, *word].into_iter().flat_map(u64::to_le_bytes));
        }
        bytes
    }

    /// Runs an input and asserts whether it is accepted; kept as a seed on request.
    fn check(name: &str, bytes: &[u8], taken: bool) {
        if std::env::var_os("LINKSPAN_WRITE_SEEDS").is_some() {
            let folder = format!("{}/../../fuzz/seeds/segment", env!("CARGO_MANIFEST_DIR"));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(format!("{folder}/{name}"), bytes).unwrap();
        }
        assert_eq!(take(bytes), taken, "{name}");
    }

    fn ring_of_frames() -> Arc<Heap> {
        let memory = Heap::new(PAGE + RING);
        segment::format(&memory, segment::CHANNEL, SESSION, RING);
        let mut writer = Writer::new(memory.clone(), Heap::new(PAGE), RING);
        for (i, length) in [0usize, 7, 100].into_iter().enumerate() {
            let body = pattern(length, 1);
            writer.try_write(&Outgoing::new(data(i as u64 + 1), &body)).unwrap();
        }
        memory
    }

    #[test]
    fn fuzz_segment_accepts_an_honest_peer() {
        let channel = ring_of_frames();
        check("honest-channel", &input(WHOLE, PAGE + RING, &channel, &[]), true);
        let words = [
            (at::HEAD, u64::MAX),
            (at::CONSUMED, 1 << 63),
            (at::DATA_PARK, 3),
            (at::ROOM_PARK, u64::MAX),
            (at::STATE, 1),
        ];
        check("channel-whose-words-jump", &input(WHOLE, PAGE + RING, &channel, &words), true);
        let broadcast = Heap::new(PAGE + RING);
        let mut ring_writer = RingWriter::new(broadcast.clone(), RING);
        segment::format(&broadcast, segment::BROADCAST, SESSION, RING);
        for i in 1..4 {
            assert!(ring_writer.write(&Outgoing::new(data(i), &pattern(300, 2))));
        }
        let words = [(at::RESTART, 8), (at::COUNT, 0), (at::HEAD, 1 << 62), (at::STATE, 2)];
        check("honest-broadcast", &input([1, 0, 0, 0], PAGE + RING, &broadcast, &[]), true);
        check("broadcast-whose-words-jump", &input([1, 0, 0, 0], PAGE + RING, &broadcast, &words), true);
        let page = Heap::new(PAGE);
        segment::format(&page, segment::PAGE_OF_SUBSCRIBER, SESSION, 0);
        let words = [(at::DATA_PARK, 1), (at::DATA_PARK, 2), (at::CONSUMED, u64::MAX)];
        check("page-of-a-subscriber", &input([2, 0, 0, 0], PAGE, &page, &words), true);
    }

    #[test]
    fn fuzz_segment_refuses_invalid_segments() {
        let channel = ring_of_frames();
        for (seal, name) in ["shrink", "grow", "future-write", "seal"].into_iter().enumerate() {
            let form = [0, 1 << seal, 0, 0];
            check(&format!("without-the-seal-{name}"), &input(form, PAGE + RING, &channel, &[]), false);
        }
        check("with-holes", &input([0, 0, 1, 0], PAGE + RING, &channel, &[]), false);
        for (descriptors, name) in [(5, "no-descriptor"), (6, "a-socket-besides"), (7, "a-socket-alone")] {
            check(name, &input([0, 0, 0, descriptors], PAGE + RING, &channel, &[]), false);
        }
        for (length, name) in [(PAGE, "no-ring"), (PAGE + RING - 8, "a-ring-cut-off")] {
            check(name, &input(WHOLE, length, &channel, &[]), false);
        }
        for at in [at::MAGIC, at::LAYOUT, at::FLAGS, at::SESSION, at::RING, at::RING_LENGTH] {
            let wrong = ring_of_frames();
            wrong.store(at, 1 << 40, Ordering::Relaxed);
            check(&format!("a-wrong-word-at-{at}"), &input(WHOLE, PAGE + RING, &wrong, &[]), false);
        }
    }
}
