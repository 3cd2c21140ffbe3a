//! Fuzz target: a peer's memory from any bytes, with changes while the ring is read.
//!
//! It asserts that errors have the expected kinds and that reading ends without a panic.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::broadcast::RingReader;
use super::memory::heap::Heap;
use super::memory::{Memory, OwnMemory};
use super::reader::{ReadStep, Reader};
use super::record::FastKind;
use super::segment::{PAGE, at};
use crate::broadcast::{Received, Start};
use crate::error::ErrorKind;

const RING: usize = 4096;
/// The longest message in bytes.
const LIMIT: u64 = 1 << 16;

/// The words of both kinds of page that readers load.
const CONTROL: [usize; 9] = [
    at::HEAD,
    at::CONSUMED,
    at::DATA_PARK,
    at::ROOM_PARK,
    at::ROOM_WANTED,
    at::STATE,
    at::RESTART,
    at::COUNT,
    at::FLAGS,
];

/// The memory that the bytes describe, and the changes that follow.
fn memory(bytes: &[u8]) -> (Arc<Heap>, impl Iterator<Item = (usize, u64)>) {
    let heap = Heap::new(PAGE + RING);
    let words = bytes.chunks_exact(8).map(|word| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        u64::from_le_bytes(bytes)
    });
    let places = CONTROL.into_iter().chain((PAGE..PAGE + RING).step_by(8));
    let mut words: Vec<u64> = words.collect();
    let changes = words.split_off(words.len().min(CONTROL.len() + RING / 8));
    for (place, word) in places.zip(words) {
        heap.store(place, word, Ordering::Relaxed);
    }
    // A change has two words: a place (its low bits), and its new value.
    let changes: Vec<(usize, u64)> = changes
        .chunks_exact(2)
        .map(|pair| {
            let place = pair[0] as usize % (RING / 8 + CONTROL.len());
            let place =
                CONTROL.get(place).copied().unwrap_or(PAGE + (place.saturating_sub(CONTROL.len())) * 8);
            (place, pair[1])
        })
        .collect();
    (heap, changes.into_iter())
}

/// Reads a channel's ring.
pub fn ring(bytes: &[u8]) {
    let (peer, changes) = memory(bytes);
    let mut reader = Reader::new(Heap::new(PAGE), peer.clone(), RING, LIMIT);
    let mut changes = changes.map(Some).chain([None]);
    loop {
        // A ring holds at most 256 records, so more would be an endless loop.
        let mut read = 0;
        loop {
            read += 1;
            assert!(read < 600, "an unchanging ring ends");
            if read % 3 == 0
                && let Some(fast) =
                    reader.peek_fast(FastKind::Data).or_else(|| reader.peek_fast(FastKind::Request))
            {
                assert!(fast.length() as u64 <= LIMIT, "a body of {} bytes", fast.length());
                reader.take_fast(&fast, &mut vec![0; fast.length()]);
                reader.consume();
                continue;
            }
            if read % 3 == 0
                && let Some(reply) = reader.peek_reply()
            {
                assert!(reply.length() as u64 <= LIMIT, "a body of {} bytes", reply.length());
                reader.take_reply(&reply, &mut vec![0; reply.length()]);
                reader.consume();
                continue;
            }
            if read % 2 == 0
                && let Some(small) = reader.peek_small()
            {
                assert!(small.length() as u64 <= LIMIT, "a body of {} bytes", small.length());
                reader.take_small(&small, &mut vec![0; small.length()]);
                reader.consume();
                continue;
            }
            let frame = match reader.step() {
                Ok(ReadStep::Frame(record)) => reader.take(record),
                Ok(ReadStep::Assembled) => reader.take_assembled(),
                Ok(ReadStep::Piece) => Ok(None),
                Ok(ReadStep::Empty) => break,
                Err(error) => Err(error),
            };
            match frame {
                Ok(Some(frame)) => {
                    assert!(frame.body.len() as u64 <= LIMIT, "a body of {} bytes", frame.body.len());
                    reader.consume();
                }
                Ok(None) => {}
                Err(e) if matches!(e.kind(), ErrorKind::TooLarge | ErrorKind::OutOfMemory) => {}
                Err(e) => {
                    assert!(matches!(e.kind(), ErrorKind::Malformed | ErrorKind::VersionMismatch), "{e:?}");
                    return;
                }
            }
        }
        match changes.next() {
            Some(Some((place, word))) => peer.store(place, word, Ordering::Relaxed),
            _ => return,
        }
    }
}

/// Reads a publisher's ring from each possible start of a reader.
pub fn broadcast(bytes: &[u8]) {
    let (peer, changes) = memory(bytes);
    // The newest record has its own offset among the words of the page.
    peer.store(at::LATEST, peer.load(at::HEAD, Ordering::Relaxed), Ordering::Relaxed);
    let mut followers = [Start::Newest, Start::With(2), Start::After(0), Start::After(3)]
        .map(|start| RingReader::new(peer.clone(), RING, LIMIT, start));
    for change in changes.map(Some).chain([None]) {
        for ring_reader in &mut followers {
            for turn in 0..20 {
                let received = match turn % 5 {
                    4 => ring_reader.latest(),
                    1 | 3 => ring_reader.read_shortest(),
                    _ => ring_reader.read(),
                };
                match received {
                    Ok(Received::Frame(frame)) => {
                        assert!(frame.body.len() <= RING, "a body of {} bytes", frame.body.len());
                    }
                    Ok(_) => {}
                    Err(e) => {
                        let allowed = [
                            ErrorKind::Malformed,
                            ErrorKind::VersionMismatch,
                            ErrorKind::Lagged,
                            ErrorKind::Stalled,
                            ErrorKind::Disconnected,
                            ErrorKind::TooLarge,
                        ];
                        assert!(allowed.contains(&e.kind()), "{e:?}");
                    }
                }
            }
        }
        if let Some((place, word)) = change {
            peer.store(place, word, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::broadcast::ring_writer;
    use super::super::tests::{data, pattern};
    use super::super::writer::Writer;
    use super::*;
    use crate::frame::{Header, Outgoing, flags};

    /// The input that produces this memory; kept as a seed on request.
    fn seed(target: &str, name: &str, memory: &Heap) -> Vec<u8> {
        let places = CONTROL.into_iter().chain((PAGE..PAGE + RING).step_by(8));
        let bytes: Vec<u8> = places.flat_map(|at| memory.load(at, Ordering::Relaxed).to_le_bytes()).collect();
        if std::env::var_os("LINKSPAN_WRITE_SEEDS").is_some() {
            let folder = format!("{}/../../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
            std::fs::write(format!("{folder}/{name}"), &bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn fuzz_targets_accept_rings_of_honest_writers() {
        for (name, lengths) in
            [("small-frames", &[0usize, 7, 8, 100][..]), ("a-frame-in-pieces", &[900, 3000])]
        {
            let memory = Heap::new(PAGE + RING);
            let mut writer = Writer::new(memory.clone(), Heap::new(PAGE), RING);
            let extension = pattern(72, 3);
            for (i, length) in lengths.iter().enumerate() {
                let header = Header { body: *length as u64, extension: 72 * (i % 2), ..data(i as u64 + 1) };
                let body = pattern(*length, 1);
                let frame = Outgoing {
                    header,
                    extension: &extension[..72 * (i % 2)],
                    body: &body,
                    split: None,
                    owner: None,
                };
                writer.try_write(&frame).unwrap();
            }
            ring(&seed("ring", name, &memory));
        }
        let memory = Heap::new(PAGE + RING);
        let mut writer = ring_writer::RingWriter::new(memory.clone(), RING);
        // Compact records, and a full one.
        for (i, (length, flags)) in
            [(0usize, 0), (10, 0), (500, flags::MORE), (77, 0)].into_iter().enumerate()
        {
            let header = Header { flags, ..data(i as u64 + 1) };
            assert!(writer.write(&Outgoing::new(header, &pattern(length, 2))));
        }
        // The newest record's word and the ring's end use offsets of words of a channel's page.
        broadcast(&seed("broadcast", "four-records", &memory));
    }
}
