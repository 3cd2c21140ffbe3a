//! Tests of replicas, which repeat another machine's journal, next to journals of this machine.

use super::super::record;
use super::super::replica::{Replica, history};
use super::*;
use crate::store::{History, OriginalRecord, Replicates};

#[derive(Debug, PartialEq)]
struct Read {
    sequence: u64,
    sent: i64,
    schema: u64,
    source: String,
    session: u64,
    body: Bytes,
}

fn read(fixture: &Fixture, from: u64) -> Vec<Read> {
    let mut reader = fixture.reader(None, Some(Start::Sequence(from)));
    let mut all = Vec::new();
    while let Some((frame, sender)) = reader.try_recv().unwrap() {
        let (sequence, sent, schema) = (frame.header.sequence, frame.header.sent, frame.header.schema);
        let (source, session) = (sender.source.to_string(), sender.session);
        all.push(Read { sequence, sent, schema, source, session, body: frame.body.whole().clone() });
    }
    all
}

fn copied(fixture: &Fixture, from: u64) -> Vec<(OriginalRecord, Encoding, Bytes)> {
    let segments = history(&fixture.place).unwrap().unwrap().segments;
    let copied = |read: Read| {
        let Read { sequence, sent, schema, source, session, body } = read;
        let begins = segments.contains(&sequence);
        (OriginalRecord { sequence, sent, source, session, schema, begins }, Encoding::Raw, body)
    };
    read(fixture, from).into_iter().map(copied).collect()
}

fn of(fixture: &Fixture) -> History {
    History { machine: Some("north".into()), ..history(&fixture.place).unwrap().unwrap() }
}

fn open(fixture: &Fixture, of: &History) -> crate::error::Result<Replica> {
    Replica::open(&fixture.place, Access::default(), of)
}

fn put(writer: &JournalWriter, bodies: std::ops::RangeInclusive<u64>) {
    for body in bodies {
        writer.append(Encoding::Raw, Bytes::from(vec![body as u8; 200])).unwrap();
    }
}

#[test]
fn replica_keeps_number_time_source_and_segment() {
    let (there, here) = (Fixture::new(), Fixture::new());
    put(&there.short(), 1..=10);
    let of = of(&there);
    assert!(of.segments.len() > 2, "{of:?}");
    let mut replica = open(&here, &of).unwrap();
    replica.append(copied(&there, 1)).unwrap();
    assert_eq!(replica.last(), 10);
    replica.append(copied(&there, 4)).unwrap();
    drop(replica);
    assert_eq!(read(&here, 1), read(&there, 1));
    assert_eq!(history(&here.place).unwrap().unwrap(), of);
    // Another writer continues there; the replica continues from its last record.
    put(&there.short(), 11..=13);
    let mut replica = open(&here, &of).unwrap();
    replica.append(copied(&there, replica.last() + 1)).unwrap();
    assert_eq!(read(&here, 1), read(&there, 1));
    let (last, encoding, body) = copied(&there, 13).remove(0);
    let later = OriginalRecord { sequence: 20, begins: false, ..last };
    let error = replica.append(vec![(later, encoding, body)]);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(replica.last(), 13);
}

#[test]
fn replica_follows_retention_and_reports_lagged() {
    let (there, here) = (Fixture::new(), Fixture::new());
    let rules = Retention { bytes: Some(2500), ..Retention::default() };
    let shape =
        Segmentation { segment_bytes: Some(PAGE + 1000), retention: rules, ..Segmentation::default() };
    let writer = there.writer_with(Segmentation { retention: Retention::default(), ..shape }).unwrap();
    put(&writer, 1..=5);
    let mut replica = open(&here, &of(&there)).unwrap();
    replica.append(copied(&there, 1)).unwrap();
    let mut late = here.reader(None, Some(Start::Sequence(5)));
    assert_eq!(late.try_recv().unwrap().map(|(frame, _)| frame.header.sequence), Some(5));
    put(&writer, 6..=9);
    replica.append(copied(&there, 6)).unwrap();
    drop(writer);
    let writer = there.writer_with(shape).unwrap();
    let left = of(&there);
    assert!(left.segments[0] > 5, "{left:?}");
    replica.retire_before(left.segments[0]).unwrap();
    assert_eq!(history(&here.place).unwrap().unwrap().segments, left.segments);
    drop(replica);
    // While the network is cut, more records are deleted than the replica has.
    put(&writer, 10..=30);
    let left = of(&there);
    assert!(left.segments[0] > 10, "{left:?}");
    let mut replica = open(&here, &left).unwrap();
    assert_eq!(replica.last(), left.segments[0] - 1);
    let mut last = 5;
    let missed = loop {
        match late.try_recv() {
            Ok(given) => last = given.map_or(last, |(frame, _)| frame.header.sequence),
            Err(e) => break e,
        }
    };
    assert_eq!((missed.kind(), missed.missed()), (ErrorKind::Lagged, Some(left.segments[0] - 1 - last)));
    replica.append(copied(&there, replica.last() + 1)).unwrap();
    assert_eq!(history(&here.place).unwrap().unwrap().segments, left.segments);
    assert_eq!(read(&here, left.segments[0]), read(&there, left.segments[0]));
    assert_eq!(late.try_recv().unwrap().map(|(frame, _)| frame.header.sequence), Some(left.segments[0]));
}

#[test]
fn replica_of_a_lost_record_reports_corrupt() {
    let (there, here) = (Fixture::new(), Fixture::new());
    put(&there.writer(), 1..=5);
    let mut replica = open(&here, &of(&there)).unwrap();
    let mut records = copied(&there, 1);
    records.remove(2);
    records[2].0.begins = true;
    replica.append(records).unwrap();
    let mut reader = here.reader(None, Some(Start::First));
    let mut next = || reader.try_recv().map(|given| given.map(|(frame, _)| frame.header.sequence));
    assert_eq!([next().unwrap(), next().unwrap()], [Some(1), Some(2)]);
    assert_eq!(next().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!([next().unwrap(), next().unwrap(), next().unwrap()], [Some(4), Some(5), None]);
    drop(replica);
    assert_eq!(open(&here, &of(&there)).unwrap().last(), 5);
}

#[test]
fn replica_of_a_new_journal_renames_the_old_one() {
    let here = Fixture::new();
    for lives in 1..=3 {
        let there = Fixture::new();
        put(&there.writer(), 1..=lives);
        let mut replica = open(&here, &of(&there)).unwrap();
        assert_eq!(replica.last(), 0, "it begins anew");
        replica.append(copied(&there, 1)).unwrap();
        let mut reader = here.reader(None, Some(Start::First));
        assert!(reader.try_recv().unwrap().is_some());
        assert_eq!(read(&here, 1).len() as u64, lives);
        let aside = Place { file: "x.replaced.journal".into(), ..here.place.clone() };
        let replaced = history(&aside).unwrap().map(|history| history.last);
        assert_eq!(replaced, (lives > 1).then_some(lives - 1), "the one before is still there");
        drop(replica);
        // A journal that has lost sent records counts as a different journal.
        let cut = History { last: lives - 1, ..of(&there) };
        assert_eq!(open(&here, &cut).unwrap().last(), 0);
        while reader.try_recv().is_ok_and(|given| given.is_some()) {}
        assert!(reader.park().unwrap(), "its readers wake");
        assert_eq!(reader.try_recv().unwrap_err().kind(), ErrorKind::Disconnected);
        fs::remove_dir_all(here.around.path().join("x.journal")).unwrap();
        let mut replica = open(&here, &of(&there)).unwrap();
        replica.append(copied(&there, 1)).unwrap();
    }
}

#[test]
fn replica_refuses_journals_of_others() {
    let (there, here) = (Fixture::new(), Fixture::new());
    put(&there.writer(), 1..=2);
    put(&here.writer(), 1..=1);
    let of = of(&there);
    assert_eq!(open(&here, &of).unwrap_err().kind(), ErrorKind::AddressInUse);
    assert_eq!(read(&here, 1).len(), 1);
    let here = Fixture::new();
    let mut replica = open(&here, &of).unwrap();
    assert_eq!(open(&here, &of).unwrap_err().kind(), ErrorKind::AddressInUse);
    replica.append(copied(&there, 1)).unwrap();
    drop(replica);
    for machine in [Some("west".to_owned()), None] {
        open(&here, &History { machine, ..of.clone() }).unwrap_err();
    }
    let refused = here.writer_with(Segmentation::default()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AddressInUse);
    assert!(refused.text().contains("machine north"), "{refused}");
    assert_eq!(read(&here, 1), read(&there, 1));
}

#[test]
fn replica_torn_by_a_kill_continues_behind_the_last_whole_record() {
    let (there, here) = (Fixture::new(), Fixture::new());
    put(&there.writer(), 1..=6);
    let of = of(&there);
    let mut replica = open(&here, &of).unwrap();
    replica.append(copied(&there, 1)).unwrap();
    drop(replica);
    let folder = here.around.path().join("x.journal");
    let segment = folder.join(segment_name(1));
    let whole = fs::read(&segment).unwrap();
    let record = record::length(record::head_length("writer", false), 200) as usize;
    for cut in [1, 64, record - 1, record, record + 64] {
        fs::write(&segment, &whole[..whole.len() - cut]).unwrap();
        // The word is not synced: a power cut may undo it.
        fs::remove_file(folder.join("committed")).unwrap();
        let mut replica = open(&here, &of).unwrap();
        assert_eq!(replica.last(), if cut <= record { 5 } else { 4 }, "{cut} bytes short");
        replica.append(copied(&there, replica.last() + 1)).unwrap();
        drop(replica);
        assert_eq!(read(&here, 1), read(&there, 1));
    }
}
