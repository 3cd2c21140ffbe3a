//! Damages and forges files that a recorder closed. Each change must be reported as a problem.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "in a test a panic is the report")]

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use linkspan::Encoding;
use linkspan_recording::reader::{Limits, ProblemKind};
use linkspan_recording::{ChannelRecord, Entry, Outline, Part, Problem, Reader, Settings, Summary};
use mcap::records::op;

#[path = "support/any_damage.rs"]
mod any_damage;
#[path = "support/sums.rs"]
mod sums;

use sums::{mend, records_of};

/// Seeds of the fuzzer, and random inputs for the daily time.
#[test]
fn fuzz_seeds_of_damage_and_others_are_said_or_change_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/damage");
    let seeds: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(seeds.len() >= 3, "{seeds:?}");
    for seed in seeds {
        println!("{}", seed.display());
        any_damage::read_damaged(&std::fs::read(seed).unwrap());
    }
    let seed = std::env::var("LINKSPAN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    });
    println!("LINKSPAN_SEED={seed}");
    let mut state = seed;
    for case in 0..400 {
        let bytes: Vec<u8> = (0..48)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        println!("case {case}: {bytes:?}");
        any_damage::read_damaged(&bytes);
    }
}

/// Writes a closed part with two chunks of two names, a note and an attachment.
fn write(path: &Path) -> Vec<u8> {
    let facts = BTreeMap::from([("id".to_owned(), "5".repeat(32))]);
    let mut part = Part::create(path, &facts, Settings::default()).unwrap();
    part.attach("notes.txt", 2, b"some text").unwrap();
    for number in 1..=2 {
        for name in ["shm:lab/a", "shm:lab/b"] {
            let channel =
                part.channel(&ChannelRecord::new(name, 9, Encoding::Cbor, "cam@north"), 1, false).unwrap();
            part.message(channel, number, 100, 200 + number, &[1]).unwrap();
        }
        part.flush().unwrap();
    }
    part.close("stopped", None).unwrap();
    std::fs::read(path).unwrap()
}

/// Returns the names with messages in a file of these bytes, and its problems.
fn read(path: &Path, bytes: &[u8]) -> (Vec<String>, Vec<Problem>) {
    std::fs::write(path, bytes).unwrap();
    let mut reader = Reader::of(vec![path.to_owned()], Limits::default()).unwrap();
    let summary = Summary::read(&mut reader).unwrap();
    (summary.names.into_keys().collect(), reader.problems().to_vec())
}

/// Another record confirms the code of each record, and sums protect the bytes.
#[test]
fn damaged_byte_of_any_record_is_a_problem_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [path, damaged] = ["whole.mcap", "damaged.mcap"].map(|name| folder.path().join(name));
    let whole = write(&path);
    assert_eq!(read(&damaged, &whole), (vec!["lab/a".to_owned(), "lab/b".to_owned()], vec![]));
    let records = records_of(&whole);
    assert!(records.iter().filter(|(code, _)| *code == op::MESSAGE_INDEX).count() >= 4);
    for (code, place) in &records {
        for forged in [code ^ 1, code ^ 4, 0x80, 0xff, 0] {
            let mut bytes = whole.clone();
            bytes[place.start] = forged;
            let problems = read(&damaged, &bytes).1;
            assert!(!problems.is_empty(), "{code:#x} at {place:?} as {forged:#x}");
            assert!(
                problems.iter().all(Problem::is_loss),
                "{code:#x} at {place:?} as {forged:#x}: {problems:?}"
            );
        }
    }
    for at in mcap::MAGIC.len()..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(!read(&damaged, &bytes).1.is_empty(), "byte {at}");
    }
}

/// An attacker can correct the sums, so the summary is compared with the records.
#[test]
fn record_of_the_end_of_a_file_that_is_another_one_is_a_problem_whatever_its_sum() {
    let folder = tempfile::tempdir().unwrap();
    let [path, damaged] = ["whole.mcap", "damaged.mcap"].map(|name| folder.path().join(name));
    let whole = write(&path);
    let records = records_of(&whole);
    let mut cases = 0;
    for (code, place) in &records {
        let is_of_end = [
            op::SCHEMA,
            op::CHANNEL,
            op::STATISTICS,
            op::CHUNK_INDEX,
            op::ATTACHMENT_INDEX,
            op::METADATA_INDEX,
            op::SUMMARY_OFFSET,
        ];
        if *code != op::MESSAGE_INDEX && !is_of_end.contains(code) {
            continue;
        }
        for forged in [code ^ 1, 0x80, 0x0f] {
            let mut bytes = whole.clone();
            bytes[place.start] = forged;
            mend(&mut bytes);
            assert!(!read(&damaged, &bytes).1.is_empty(), "{code:#x} at {place:?} as {forged:#x}");
            cases += 1;
        }
        // Change a number.
        let mut bytes = whole.clone();
        bytes[place.start + 9] ^= 1;
        mend(&mut bytes);
        assert!(!read(&damaged, &bytes).1.is_empty(), "{code:#x} at {place:?}");
    }
    assert!(cases >= 40, "{cases}");
}

/// The summary is required to know the content of a file.
#[test]
fn hidden_summary_of_a_closed_file_is_a_problem_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let [path, damaged] = ["whole.mcap", "damaged.mcap"].map(|name| folder.path().join(name));
    let whole = write(&path);
    let records = records_of(&whole);
    let end = records.iter().find(|(code, _)| *code == op::DATA_END).unwrap().1.end;
    let footer = records.last().unwrap().1.clone();
    let forged = |start: u64, from: usize| {
        let mut bytes = [&whole[..end], &whole[from..]].concat();
        let place = footer.start - (from - end);
        bytes[place + 9..place + 17].copy_from_slice(&start.to_le_bytes());
        bytes[place + 25..place + 29].fill(0);
        read(&damaged, &bytes).1
    };
    for (problems, text) in [
        (forged(0, end), "says that it has no summary, and"),
        (forged(0, footer.start), "was closed and has no summary, which its recorder wrote"),
        (forged(footer.start as u64, end), "records before it are not there"),
        (forged(8, end), "records before it are not there"),
        (forged(u64::MAX, end), "records before it are not there"),
    ] {
        assert!(
            problems.iter().any(|problem| problem.is_loss() && problem.text.contains(text)),
            "{problems:?}"
        );
    }
    // This file counts as unclosed, without a loss.
    for length in [end, end + 5, footer.start, footer.start + 20, whole.len() - 8, whole.len() - 1] {
        let problems = read(&damaged, &whole[..length]).1;
        assert_eq!(problems.len(), 1, "{length}: {problems:?}");
        assert!(problems[0].is_cut() && !problems[0].is_loss(), "{length}: {problems:?}");
    }
}

/// A channel counts only with a valid sum and agreement of both its records.
#[test]
fn damaged_channel_of_a_summary_is_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let [path, damaged] = ["whole.mcap", "damaged.mcap"].map(|name| folder.path().join(name));
    let whole = write(&path);
    let records = records_of(&whole);
    let end = records.iter().find(|(code, _)| *code == op::DATA_END).unwrap().1.end;
    let name = end + whole[end..].windows(5).position(|bytes| bytes == b"lab/a").unwrap();
    let first = records.iter().find(|(code, _)| *code == op::CHUNK).unwrap().1.clone();
    for is_mended in [false, true] {
        for has_first in [true, false] {
            let mut bytes = whole.clone();
            bytes[name + 4] = b'x';
            if is_mended {
                mend(&mut bytes);
            }
            if !has_first {
                // The chunk that describes the channels has a wrong sum, so the summary is used.
                bytes[first.end - 1] ^= 1;
            }
            let (names, problems) = read(&damaged, &bytes);
            let text = if is_mended { "another one here than before" } else { "does not have the sum" };
            let is_said =
                problems.iter().any(|problem| problem.offset >= end as u64 && problem.text.contains(text));
            assert!(!problems.is_empty() && (is_said || is_mended && !has_first), "{problems:?}");
            assert!(is_mended && !has_first || !names.contains(&"lab/x".to_owned()), "{names:?}");
            let outline = Outline::read(&damaged).unwrap();
            assert!(is_mended || !outline.names.contains("lab/x"), "{outline:?}");
        }
    }
}

/// A sparse file of TiB must cost only the work for its real bytes.
#[test]
fn attachment_that_no_disk_has_is_not_read() {
    const LONG: u64 = 8 << 40;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.mcap");
    let text = |text: &str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let record = |code: u8, length: u64| [&[code][..], &length.to_le_bytes()].concat();
    let head = [vec![0; 16], text("a"), text("b"), LONG.to_le_bytes().to_vec()].concat();
    let header = [record(op::HEADER, 8), vec![0; 8]].concat();
    let attachment = [record(op::ATTACHMENT, head.len() as u64 + LONG + 4), head].concat();
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&[mcap::MAGIC, &header, &attachment].concat()).unwrap();
    let end = file.stream_position().unwrap() + LONG;
    if file.set_len(end).is_err() {
        println!("the file system has no files of {LONG} bytes");
        return;
    }
    file.seek(SeekFrom::Start(end)).unwrap();
    // A sum, and a length that other records may not have.
    file.write_all(&[&7_u32.to_le_bytes()[..], &record(op::METADATA, 8), &[0; 8]].concat()).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let mut found = Vec::new();
    while let Some(entry) = reader.read().unwrap() {
        found.push(matches!(entry, Entry::Attachment(..)));
    }
    assert_eq!(found, [false], "what stands behind it is read");
    let problem = &reader.problems()[0];
    assert!(problem.is_loss() && problem.text.contains("--max-message-size"), "{problem}");
    assert_eq!(problem.offset, 8 + header.len() as u64);
}

/// A small chunk can have millions of unreadable records. Only a readable number is reported.
#[test]
fn chunk_of_nothing_but_records_that_cannot_be_read_is_left_out_as_a_whole() {
    const COUNT: usize = 200_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.mcap");
    let record = |code: u8, data: &[u8]| [&[code][..], &(data.len() as u64).to_le_bytes(), data].concat();
    // A message without the 22 bytes of its head.
    let records = record(op::MESSAGE, &[]).repeat(COUNT);
    let head = [&[0; 16][..], &(records.len() as u64).to_le_bytes(), &[0; 4], &[0; 4]].concat();
    let chunk = record(op::CHUNK, &[head, (records.len() as u64).to_le_bytes().to_vec(), records].concat());
    let note = record(op::METADATA, &[&1_u32.to_le_bytes()[..], b"a", &0_u32.to_le_bytes()].concat());
    std::fs::write(&path, [mcap::MAGIC, &record(op::HEADER, &[0; 8]), &chunk, &note].concat()).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let mut found = Vec::new();
    while let Some(entry) = reader.read().unwrap() {
        found.push(matches!(entry, Entry::Metadata(..)));
    }
    assert_eq!(found, [true], "what stands behind the chunk is read");
    let problems = reader.problems();
    assert!((100..110).contains(&problems.len()), "{} problems", problems.len());
    let is_said = problems.iter().any(|problem| problem.text.contains("the others are left out"));
    assert!(is_said, "{:?}", &problems[problems.len() - 3..]);
}

/// A recorder begins the next part before it closes the previous one.
///
/// A reader of the first part has then missed nothing, and advises to read the recording again.
#[test]
fn part_that_came_while_the_one_before_was_read_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["out.mcap", "out.0002.mcap"].map(|name| folder.path().join(name));
    let facts = |part: &str| {
        BTreeMap::from([("id".to_owned(), "5".repeat(32)), ("part".to_owned(), part.to_owned())])
    };
    let _first = Part::create(&first, &facts("1"), Settings::default()).unwrap();
    let mut reader = Reader::open(&first).unwrap();
    let _second = Part::create(&second, &facts("2"), Settings::default()).unwrap();
    while reader.read().unwrap().is_some() {}
    let problems: Vec<_> = reader.problems().iter().map(|problem| (problem.kind, &problem.path)).collect();
    let expected = [(ProblemKind::Unclosed, &first), (ProblemKind::Unclosed, &second)];
    assert_eq!(problems, expected, "{:?}", reader.problems());
    assert!(!reader.problems().iter().any(Problem::is_loss));
    assert!(reader.problems()[1].text.contains("read the recording again"));
}
