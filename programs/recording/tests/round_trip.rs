//! Reads parts that were written, truncated or changed at any place.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "in a test a panic is the report")]

use std::collections::BTreeMap;
use std::path::Path;

use linkspan::Encoding;
use linkspan_recording::columns::Tables;
use linkspan_recording::event::Kind;
use linkspan_recording::reader::Limits;
use linkspan_recording::{ChannelRecord, Compression, Entry, Event, Part, Reader, Settings};
use mcap::records::op;

/// Numbers that need more than 32 bits.
const FIRST: u64 = (7 << 32) - 3;

fn body(number: u64) -> Vec<u8> {
    vec![number as u8; (number % 40) as usize]
}

/// Writes 20 messages of two channels in chunks of three, two events, a note and an attachment.
fn write(path: &Path, compression: Option<Compression>) {
    let facts = BTreeMap::from([("id".to_owned(), "5".repeat(32))]);
    let mut part = Part::create(path, &facts, Settings { compression, ..Settings::default() }).unwrap();
    part.event(&Event::new(1, Kind::Started)).unwrap();
    part.attach("notes.txt", 2, b"some text").unwrap();
    let records = ["shm:lab/a", "unix:lab/b"]
        .map(|endpoint| ChannelRecord::new(endpoint, 9, Encoding::Cbor, "cam@north"));
    let ids = records.each_ref().map(|record| part.channel(record, FIRST, false).unwrap());
    for number in FIRST..FIRST + 10 {
        for id in ids {
            part.message(id, number, 100 + number, 200 + number, &body(number)).unwrap();
        }
        if number % 3 == 0 {
            part.flush().unwrap();
        }
    }
    part.event(&Event::new(3, Kind::Stopped)).unwrap();
    part.close("stopped", None).unwrap();
}

/// Returns a line per entry of a file, and its problems.
fn read(path: &Path) -> (Vec<String>, Vec<linkspan_recording::Problem>) {
    let mut reader = Reader::of(vec![path.to_owned()], Limits::default()).unwrap();
    let mut lines = Vec::new();
    while let Some(entry) = reader.read().unwrap() {
        lines.push(match entry {
            Entry::Message(message) => {
                assert_eq!(message.body[..], body(message.number), "{message:?}");
                format!(
                    "{} {} {} {}",
                    message.channel.endpoint, message.number, message.sent, message.received
                )
            }
            entry => format!("{entry:?}"),
        });
    }
    (lines, reader.problems().to_vec())
}

#[test]
fn part_is_read_as_it_was_written_with_each_compression() {
    let folder = tempfile::tempdir().unwrap();
    for compression in [None, Some(Compression::Lz4), Some(Compression::Zstd)] {
        let path = folder.path().join(format!("{compression:?}.mcap"));
        write(&path, compression);
        let (lines, problems) = read(&path);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("shm:lab/a ")).count(), 10, "{lines:#?}");
        assert_eq!(lines.len(), 20 + 2 + 2 + 1, "messages, events, metadata, an attachment: {lines:#?}");
        let mut reader = Reader::open(&path).unwrap();
        let channel = loop {
            if let Some(Entry::Message(message)) = reader.read().unwrap() {
                break message.channel.clone();
            }
        };
        assert_eq!(
            (channel.incarnation, channel.machine.as_deref(), channel.first),
            (9, Some("north"), Some(FIRST))
        );
    }
}

#[test]
fn file_that_is_cut_at_any_byte_is_read_up_to_its_last_whole_chunk() {
    let folder = tempfile::tempdir().unwrap();
    for compression in [None, Some(Compression::Lz4), Some(Compression::Zstd)] {
        let path = folder.path().join("whole.mcap");
        std::fs::remove_file(&path).ok();
        write(&path, compression);
        let whole = std::fs::read(&path).unwrap();
        let (lines, _) = read(&path);
        let cut = folder.path().join("cut.mcap");
        let mut most = 0;
        for length in 8..whole.len() {
            std::fs::write(&cut, &whole[..length]).unwrap();
            let (found, problems) = read(&cut);
            assert_eq!(found, lines[..found.len()], "cut at {length}");
            assert!(found.len() >= most, "cut at {length}: what a shorter file has is in a longer one");
            most = found.len();
            // Nothing is missing after the end of the data.
            assert!(
                problems.iter().all(|problem| problem.is_cut() && problem.offset <= length as u64),
                "{problems:?}"
            );
            assert_eq!(
                problems.len(),
                usize::from(most < lines.len() || !problems.is_empty()),
                "cut at {length}"
            );
        }
        assert_eq!(most, lines.len());
    }
    std::fs::write(folder.path().join("short"), b"\x89MCAP").unwrap();
    let error = Reader::open(&folder.path().join("short")).unwrap_err();
    assert_eq!(error.kind(), linkspan::ErrorKind::Malformed, "{error}");
}

/// Returns a random number without a crate; equal seeds give equal numbers.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn file_with_changed_bytes_is_read_or_refused_and_nothing_else_happens() {
    let seed = std::env::var("LINKSPAN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    });
    println!("LINKSPAN_SEED={seed}");
    let mut state = seed;
    let folder = tempfile::tempdir().unwrap();
    for compression in [None, Some(Compression::Lz4), Some(Compression::Zstd)] {
        let path = folder.path().join("whole.mcap");
        std::fs::remove_file(&path).ok();
        write(&path, compression);
        let whole = std::fs::read(&path).unwrap();
        let changed = folder.path().join("changed.mcap");
        for _ in 0..500 {
            let mut bytes = whole.clone();
            for _ in 0..1 + random(&mut state) % 4 {
                let at = 8 + random(&mut state) as usize % (bytes.len() - 8);
                bytes[at] = match random(&mut state) % 4 {
                    0 => 0xff,
                    1 => 0,
                    _ => random(&mut state) as u8,
                };
            }
            std::fs::write(&changed, &bytes).unwrap();
            let limits = Limits { record: 1 << 20, described: 1 << 20, ..Limits::default() };
            let mut reader = Reader::of(vec![changed.clone()], limits).unwrap();
            let mut count = 0;
            while reader.read().unwrap().is_some() {
                count += 1;
            }
            assert!(count <= 1_000, "{count}");
        }
    }
}

#[test]
fn lengths_that_a_file_only_claims_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mcap");
    let record = |code: u8, length: u64, body: &[u8]| [&[code][..], &length.to_le_bytes(), body].concat();
    for (bytes, is_cut) in [
        (record(5, u64::MAX, b""), false),
        (record(6, 1 << 40, b""), false),
        (record(6, 1 << 20, b"abc"), true),
        (record(3, 12, &[1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0]), false),
        (record(9, 4, &[0; 4]), false),
        // A chunk that claims 1 TiB after decompression.
        (
            record(
                6,
                48,
                &[
                    &[0; 16][..],
                    &(1u64 << 40).to_le_bytes(),
                    &[0; 4],
                    &4u32.to_le_bytes(),
                    b"zstd",
                    &4u64.to_le_bytes(),
                    b"abcd",
                ]
                .concat(),
            ),
            false,
        ),
    ] {
        std::fs::write(&path, [mcap::MAGIC, &bytes].concat()).unwrap();
        let mut reader = Reader::open(&path).unwrap();
        assert!(reader.read().unwrap().is_none());
        let [problem] = reader.problems() else { panic!("{:?}", reader.problems()) };
        assert_eq!((problem.offset, problem.is_cut()), (8, is_cut), "{problem}");
    }
}

#[path = "support/any_file.rs"]
mod any_file;
#[path = "support/sums.rs"]
mod sums;

use sums::{mend, records_of};

/// Seeds of the readers' fuzzer: three files of `write`, and its findings.
#[test]
fn fuzz_seeds_of_recordings_are_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/recording");
    let seeds: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(seeds.len() >= 3, "{seeds:?}");
    for seed in seeds {
        println!("{}", seed.display());
        any_file::read(&std::fs::read(seed).unwrap());
    }
}

/// Writes a closed part with this identity and one message.
fn write_part(path: &Path, id: &str) {
    let facts = BTreeMap::from([("id".to_owned(), id.repeat(32))]);
    let mut part = Part::create(path, &facts, Settings::default()).unwrap();
    let record = ChannelRecord::new("shm:lab/a", 9, Encoding::Cbor, "cam@north");
    let channel = part.channel(&record, 1, false).unwrap();
    part.message(channel, 1, 1, 1, &body(1)).unwrap();
    part.close("split", None).unwrap();
}

/// Returns the number of messages in all parts, and the problems.
fn read_all(path: &Path) -> (usize, Vec<String>) {
    let mut reader = Reader::open(path).unwrap();
    let mut messages = 0;
    while let Some(entry) = reader.read().unwrap() {
        messages += usize::from(matches!(entry, Entry::Message(_)));
    }
    (messages, reader.problems().iter().map(ToString::to_string).collect())
}

#[test]
fn parts_that_were_found_are_no_links_and_of_the_recording_that_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let [base, second, third, secret] =
        ["r.mcap", "r.0002.mcap", "r.0003.mcap", "secret"].map(|name| folder.path().join(name));
    write_part(&base, "5");
    write_part(&third, "5");
    write_part(&secret, "5");
    // Even with the right identity, which the link's maker cannot know.
    std::os::unix::fs::symlink(&secret, &second).unwrap();
    let (messages, problems) = read_all(&base);
    assert_eq!((messages, problems.len()), (2, 1), "{problems:?}");
    assert!(problems[0].contains("a link, which is not followed"), "{problems:?}");
    std::fs::remove_file(&second).unwrap();
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &second).unwrap();
    assert_eq!(read_all(&base).0, 2, "a link that leads nowhere hides what is behind it");
    std::fs::remove_file(&second).unwrap();
    write_part(&second, "6");
    let (messages, problems) = read_all(&base);
    assert_eq!((messages, problems.len()), (2, 1), "{problems:?}");
    assert!(problems[0].contains("of another recording"), "{problems:?}");
    // A named link is followed.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&secret, &link).unwrap();
    assert_eq!(read_all(&link), (1, vec![]));
    assert_eq!(read_all(&second), (1, vec![]));
    std::fs::remove_file(&second).unwrap();
    write_part(&second, "5");
    assert_eq!(read_all(&base), (3, vec![]));
    if rustix::process::geteuid().is_root() {
        // For root, foreign files have any owner but root; the first part decides.
        std::os::unix::fs::chown(&second, Some(65_534), None).unwrap();
        let (messages, problems) = read_all(&base);
        assert_eq!((messages, problems.len()), (2, 1), "{problems:?}");
        assert!(problems[0].contains("belongs to another user"), "{problems:?}");
        std::os::unix::fs::chown(&base, Some(65_534), None).unwrap();
        assert_eq!(read_all(&base), (3, vec![]));
    }
}

#[test]
fn texts_of_peers_that_are_too_long_are_cut_so_that_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.mcap");
    let mut part = Part::create(&path, &BTreeMap::new(), Settings::default()).unwrap();
    let record = ChannelRecord::new("shm:lab/a", 9, Encoding::Cbor, &"\u{e9}".repeat(5_000));
    let id = part.channel(&record, 1, false).unwrap();
    part.message(id, 1, 1, 1, &body(1)).unwrap();
    part.close("stopped", None).unwrap();
    assert_eq!(read(&path).0.len(), 3);
    assert!(read(&path).1.is_empty());
}

#[test]
fn part_ends_before_its_numbers_of_channels_and_schemas_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut part =
        Part::create(&folder.path().join("r.mcap"), &BTreeMap::new(), Settings::default()).unwrap();
    let record = |n: u64| ChannelRecord::new("shm:lab/a", n, Encoding::Cbor, "test");
    let error = (0..70_000).find_map(|n| part.channel(&record(n), 1, false).err()).unwrap();
    assert_eq!(error.kind(), linkspan::ErrorKind::TooLarge);
    part.close("split", Some("r.0002.mcap")).unwrap();
}

/// Tables of many names share a limit, and a rejected table does not affect others.
#[test]
fn columns_of_the_tables_of_all_names_are_bounded_together() {
    const NAMES: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.mcap");
    let facts = BTreeMap::from([("id".to_owned(), "5".repeat(32))]);
    let settings = Settings { compression: Some(Compression::Zstd), ..Settings::default() };
    let mut part = Part::create(&path, &facts, settings).unwrap();
    let wide = linkspan::Value::Map((0..200).map(|at| (format!("f{at}"), at.into())).collect());
    let wide = linkspan::Payload::new(&wide, Encoding::Cbor, &linkspan::Limits::default()).unwrap();
    let names: Vec<String> = (0..NAMES).map(|at| format!("lab/{at}")).collect();
    for name in &names {
        let record = ChannelRecord::new(&format!("shm:{name}"), 9, Encoding::Cbor, "cam@north");
        let id = part.channel(&record, 1, false).unwrap();
        for number in 1..4 {
            part.message(id, number, 100, 200, wide.body()).unwrap();
        }
    }
    part.close("stopped", None).unwrap();
    let mut limits = Limits::default();
    limits.room.held = 0;
    let open = || Reader::with_limits(&path, limits).unwrap();
    let mut tables = Tables::find(&mut open(), names.clone(), |_| true).unwrap();
    let refused: Vec<_> = names.iter().filter_map(|name| tables.refused(name)).collect();
    assert!(!refused.is_empty() && refused.len() < NAMES, "{} refused", refused.len());
    assert!(refused.iter().all(|error| error.kind() == linkspan::ErrorKind::TooLarge), "{refused:?}");
    let refused: Vec<String> = names.iter().filter(|name| tables.refused(name).is_some()).cloned().collect();
    let (mut reader, mut rows) = (open(), BTreeMap::new());
    while let Some((name, columns, count)) = tables.next(&mut reader, |_| true).unwrap() {
        assert_eq!(columns.len(), 205, "{name}");
        *rows.entry(name).or_insert(0) += count;
    }
    assert!(rows.values().all(|count| *count == 3), "{rows:?}");
    assert_eq!(rows.len(), NAMES - refused.len());
    assert!(refused.iter().all(|name| !rows.contains_key(name)), "{refused:?}");
    // The room of a recording suffices for all.
    let tables = Tables::find(&mut Reader::open(&path).unwrap(), names.clone(), |_| true).unwrap();
    assert!(names.iter().all(|name| tables.refused(name).is_none()));
}

/// Returns the outline and the summary of a file with these channels, each with a message.
fn named(name: &str, channels: &[(&str, &str)]) -> (linkspan_recording::Outline, Vec<String>) {
    let path = std::env::temp_dir().join(format!("linkspan-outline-{name}-{}.mcap", std::process::id()));
    let mut writer = mcap::Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
    for (sequence, (topic, schema)) in (1..).zip(channels) {
        let schema = writer.add_schema(schema, "jsonschema", b"{}").unwrap();
        let channel = writer.add_channel(schema, topic, "cbor", &BTreeMap::new()).unwrap();
        let header = mcap::records::MessageHeader {
            channel_id: channel,
            sequence,
            log_time: u64::from(sequence),
            publish_time: 1,
        };
        writer.write_to_known_channel(&header, b"\x01").unwrap();
    }
    writer.finish().unwrap();
    let outline = linkspan_recording::Outline::read(&path).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let summary = linkspan_recording::Summary::read(&mut reader).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(outline.time, summary.extent.map(|extent| extent.times()));
    (outline, summary.names.into_keys().collect())
}

#[test]
fn outline_of_a_closed_part_has_no_name_that_no_reader_takes() {
    let (long, schema) = ("x".repeat(5_000), "s".repeat(2_000));
    let (outline, names) = named("whole", &[("lab/a", "s"), ("lab/b", "s")]);
    assert_eq!(names, ["lab/a", "lab/b"]);
    assert_eq!(Vec::from_iter(outline.names), names);
    for wrong in [(&*long, "s"), ("lab/wrong", &*schema)] {
        let (outline, names) = named("long", &[("lab/a", "s"), wrong]);
        assert_eq!(names, ["lab/a"]);
        assert_eq!(Vec::from_iter(outline.names), names);
    }
}

/// Readers skip a record with a damaged code, and report it with its offset.
#[test]
fn record_whose_operation_code_is_damaged_is_a_problem_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.mcap");
    write(&path, None);
    let whole = std::fs::read(&path).unwrap();
    let (mut at, mut chunks, mut others) = (mcap::MAGIC.len(), Vec::new(), Vec::new());
    while whole[at] != op::DATA_END {
        match whole[at] {
            op::CHUNK => chunks.push(at),
            op::ATTACHMENT | op::METADATA => others.push(at),
            _ => {}
        }
        at += 9 + u64::from_le_bytes(whole[at + 1..at + 9].try_into().unwrap()) as usize;
    }
    assert!(chunks.len() >= 5 && others.len() >= 3, "{chunks:?} {others:?}");
    let (end, damaged) = (at, folder.path().join("damaged.mcap"));
    for (at, is_closed) in chunks.iter().chain(&others).flat_map(|at| [(*at, true), (*at, false)]) {
        // All codes with one changed bit, and known, reserved and free codes.
        for code in (0..8).map(|bit| whole[at] ^ 1 << bit).chain([0, op::DATA_END, 0x10, 0x7f, 0x80, 0xff]) {
            let is_chunk = chunks.contains(&at);
            // Without a summary, a record without an index may have any other code.
            if !is_closed && !is_chunk && code != 0 && !(0x10..0x80).contains(&code) {
                continue;
            }
            let mut bytes = whole.clone();
            bytes[at] = code;
            bytes.truncate(if is_closed { whole.len() } else { end });
            std::fs::write(&damaged, &bytes).unwrap();
            let mut reader = Reader::of(vec![damaged.clone()], Limits::default()).unwrap();
            while reader.read().unwrap().is_some() {}
            let lost: Vec<_> = reader.problems().iter().filter(|problem| problem.is_loss()).collect();
            let case = format!("{code:#x} at {at}, closed: {is_closed}: {lost:#?}");
            // The first chunk has channels but no index: without a summary, their messages are reported instead.
            let is_first = chunks.first() == Some(&at);
            assert!(
                lost.iter().any(|problem| problem.offset == at as u64 || is_first && !is_closed),
                "{case}"
            );
            assert!(lost.len() == 1 || is_first || !is_closed, "{case}");
        }
    }
}

/// Returns the problems of a file with these bytes, which must all be losses.
fn losses(path: &Path, bytes: &[u8]) -> Vec<String> {
    std::fs::write(path, bytes).unwrap();
    let problems = read(path).1;
    assert!(problems.iter().all(linkspan_recording::Problem::is_loss), "{problems:?}");
    problems.iter().map(ToString::to_string).collect()
}

/// A file without one of its records is readable, but disagrees with its summary.
#[test]
fn record_that_was_taken_out_of_a_closed_file_is_a_problem_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let [path, damaged] = ["whole.mcap", "damaged.mcap"].map(|name| folder.path().join(name));
    write(&path, None);
    let whole = std::fs::read(&path).unwrap();
    let records = records_of(&whole);
    let end = records.iter().position(|(code, _)| *code == op::DATA_END).unwrap();
    let footer = records.last().unwrap().1.start;
    let mut cases = 0;
    for (at, (code, place)) in records[..end].iter().enumerate() {
        if !matches!(*code, op::CHUNK | op::ATTACHMENT | op::METADATA) {
            continue;
        }
        let indexes = records[at + 1..].iter().take_while(|(code, _)| *code == op::MESSAGE_INDEX);
        let with_indexes = indexes.map(|(_, place)| place.end).last().unwrap_or(place.end);
        for to in [place.end, with_indexes] {
            let mut without = [&whole[..place.start], &whole[to..]].concat();
            let found = losses(&damaged, &without);
            assert!(
                found.iter().any(|text| text.contains("summary of the file begins")),
                "{code} {place:?}: {found:?}"
            );
            // The footer agrees, but the summary names a wrong offset.
            let start = footer - (to - place.start) + 9;
            let said = u64::from_le_bytes(without[start..start + 8].try_into().unwrap());
            let right = said - (to - place.start) as u64;
            without[start..start + 8].copy_from_slice(&right.to_le_bytes());
            assert!(!losses(&damaged, &without).is_empty(), "{code} {place:?}");
            cases += 1;
        }
    }
    assert!(cases >= 16, "{cases}");
}

#[test]
fn fewer_messages_than_a_closed_file_says_that_it_has_are_a_problem_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let [path, damaged] = ["whole.mcap", "damaged.mcap"].map(|name| folder.path().join(name));
    write(&path, None);
    let mut whole = std::fs::read(&path).unwrap();
    assert!(losses(&damaged, &whole).is_empty());
    let place = records_of(&whole).into_iter().find(|(code, _)| *code == op::STATISTICS).unwrap().1;
    let count = place.start + 9;
    assert_eq!(whole[count..count + 8], 22_u64.to_le_bytes());
    whole[count] += 1;
    mend(&mut whole);
    let [found] = &losses(&damaged, &whole)[..] else { panic!("one problem") };
    assert!(found.contains("23 messages and events, and 22 stand"), "{found}");
}

/// Without this record, the reason of the end and the next part are unknown.
#[test]
fn closed_file_of_linkspan_without_a_record_of_its_end_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let [path, damaged] = ["whole.mcap", "damaged.mcap"].map(|name| folder.path().join(name));
    write(&path, None);
    let whole = std::fs::read(&path).unwrap();
    let at = |text: &[u8]| whole.windows(text.len()).position(|found| found == text).unwrap();
    // The summary repeats the name of a metadata record.
    let again = |text: &[u8]| whole.windows(text.len()).rposition(|found| found == text).unwrap();
    // The search includes the length, because keys of channels begin like this name.
    let name = at(b"\x0c\0\0\0linkspan.end") + 4;
    // One byte of its name, and of the key of its entry, after two lengths.
    let reason = name + 12 + 8;
    assert_eq!(&whole[reason..reason + 6], b"reason");
    for place in [name, name + 11, reason] {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        if place < reason {
            bytes[again(b"linkspan.end") + place - name] ^= 1;
        }
        mend(&mut bytes);
        let [found] = &losses(&damaged, &bytes)[..] else { panic!("one problem: {place}") };
        assert!(found.contains("how its recorder ended"), "{found}");
        bytes[at(b"linkspan.recording")] ^= 1;
        bytes[again(b"linkspan.recording")] ^= 1;
        mend(&mut bytes);
        assert_eq!(losses(&damaged, &bytes).len(), 1, "the header says whose it is");
        bytes[at(b"linkspan-record ")] ^= 1;
        mend(&mut bytes);
        assert_eq!(losses(&damaged, &bytes).len(), 0, "another program's needs no such record");
    }
}

#[test]
fn attachment_whose_bytes_do_not_have_its_sum_is_a_problem_and_not_given() {
    let folder = tempfile::tempdir().unwrap();
    let [path, damaged] = ["whole.mcap", "damaged.mcap"].map(|name| folder.path().join(name));
    let mut part = Part::create(&path, &BTreeMap::new(), Settings::default()).unwrap();
    // More than one read.
    part.attach("notes.txt", 2, &[7; 300_000]).unwrap();
    part.close("stopped", None).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let place = records_of(&whole).into_iter().find(|(code, _)| *code == op::ATTACHMENT).unwrap().1;
    let lines = read(&path).0;
    // Its time, its name, its content, its sum.
    for at in [place.start + 9, place.start + 30, place.start + 200, place.end - 5, place.end - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let [found] = &losses(&damaged, &bytes)[..] else { panic!("one problem: {at}") };
        assert!(found.contains(&format!("byte {}: the attachment", place.start)), "{found}");
        let left = read(&damaged).0;
        assert_eq!(left.len() + 1, lines.len(), "{left:?}");
        assert!(!left.iter().any(|line| line.contains("Attachment")), "{left:?}");
    }
    // 0 stands for a missing sum.
    let mut bytes = whole;
    bytes[place.end - 4..place.end].fill(0);
    mend(&mut bytes);
    assert!(losses(&damaged, &bytes).is_empty());
}
