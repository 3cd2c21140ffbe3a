//! Journals keep each schema of their records, as long as such a record exists.

use std::path::PathBuf;

use linkspan::schema::Schema;
use linkspan::{ErrorKind, Options, Publisher, Result, StartAt, Subscriber, Value, registry};

use super::{newer, reading, schema, watts};
use crate::support::{SOON, name};

fn newest() -> Options {
    schema(
        "version = 3\n[fields.watts]\ntype = \"f64\"\nunit = \"W\"\n[fields.phase]\ntype = \"u16\"\ndefault = 1\n",
    )
}

fn publish(at: &str, options: &Options, watts: &[f64]) {
    let publisher = Publisher::new(at, options).unwrap();
    for watts in watts {
        publisher.send(&reading(*watts)).unwrap();
    }
    publisher.close(SOON).unwrap();
}

fn version(form: &[u8]) -> u32 {
    Schema::from_bytes(form).unwrap().version
}

fn read(at: &str, options: Options) -> Subscriber {
    Subscriber::new(at, &options.with_from(StartAt::First).with_timeout(SOON)).unwrap()
}

fn folder(at: &str) -> PathBuf {
    let file = at.strip_prefix("journal:").unwrap().replace('/', "@") + ".journal";
    PathBuf::from(std::env::var("LINKSPAN_STATE_DIR").unwrap()).join(file)
}

fn files(at: &str) -> Vec<String> {
    let names = std::fs::read_dir(folder(at)).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".schema") && name != ".schema");
    names.sort();
    names
}

#[test]
fn each_record_of_a_journal_names_the_schema_that_it_was_written_with() {
    let at = name("journal");
    publish(&at, &watts("W"), &[1.0, 2.0]);
    publish(&at, &newer(), &[3.0]);
    publish(&at, &newer(), &[4.0]);
    publish(&at, &newest(), &[5.0]);
    assert_eq!(version(&registry::schema(&at).unwrap()), 3);
    let all = registry::list().unwrap();
    let listed = all.iter().find(|one| one.endpoint == at).unwrap();
    assert_eq!(listed.schema.as_deref(), Some("power.reading version 3"));
    let all = registry::schemas(&at).unwrap();
    let found: Vec<_> = all.iter().map(|(first, form)| (*first, version(form))).collect();
    assert_eq!(found, [(1, 1), (3, 2), (5, 3)]);
    for options in [newest(), newer(), watts("W"), Options::default()] {
        let subscriber = read(&at, options);
        for (watts, expected) in [(1.0, 1), (2.0, 1), (3.0, 2), (4.0, 2)] {
            let message = subscriber.recv(SOON).unwrap();
            assert_eq!(message.get("watts").unwrap(), &Value::Float(watts));
            assert_eq!(version(&registry::schema_of(&at, &message).unwrap()), expected);
        }
    }
}

#[test]
fn reader_gets_records_up_to_the_first_one_with_an_unreadable_schema() {
    let at = name("journal");
    publish(&at, &newer(), &[1.0, 2.0]);
    // A phase may exceed 255, so readers of a u8 cannot read it.
    publish(&at, &newest(), &[3.0, 4.0]);
    for named in [false, true] {
        let options = if named { newer().with_client_id("meter") } else { newer() };
        for _ in 0..2 {
            let subscriber = read(&at, options.clone());
            if !named || subscriber.recv(SOON).is_ok_and(|message| message.sequence() == 1) {
                let from = if named { 2 } else { 1 };
                for sequence in from..=2 {
                    assert_eq!(subscriber.recv(SOON).unwrap().sequence(), sequence);
                }
            }
            for _ in 0..3 {
                let refused = subscriber.recv(SOON).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{refused}");
                assert!(refused.text().contains("phase") && refused.text().contains(".schema"), "{refused}");
            }
        }
        assert_eq!(linkspan::latest(&at, &options, SOON).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    }
    // Its position in the journal is before the unreadable record.
    let later = read(&at, newest().with_client_id("meter"));
    assert_eq!(later.recv(SOON).unwrap().sequence(), 3);
}

#[test]
fn writer_schema_must_read_all_remaining_records() {
    let at = name("journal");
    let with = |fields: &str| schema(fields).with_segment_bytes(8 << 10).with_retain_bytes(24 << 10);
    let first = with("[fields]\nwatts = \"f64\"\na = { type = \"u8\", optional = true }\n");
    let second = with("[fields]\nwatts = \"f64\"\n");
    let third = with("[fields]\nwatts = \"f64\"\na = { type = \"text\", optional = true }\n");
    publish(&at, &first, &[1.0]);
    publish(&at, &second, &[2.0]);
    let refused = Publisher::new(&at, &third).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{refused}");
    assert!(refused.text().contains("a: "), "{refused}");
    assert_eq!(files(&at).len(), 2);
    publish(&at, &second, &vec![3.0; 300]);
    // By now every record of the first schema is deleted.
    let found: Vec<u64> = registry::schemas(&at).unwrap().iter().map(|(first, _)| *first).collect();
    assert!(found.len() == 1 && found[0] > 1, "{found:?}");
    publish(&at, &third, &[4.0]);
    assert_eq!(files(&at).len(), 2, "that of the first went with its records");
}

#[test]
fn journals_of_older_versions_have_their_newest_schema_alone() {
    let at = name("journal");
    publish(&at, &watts("W"), &[1.0]);
    // Older versions stored one file, and nothing in the records, like a program without a schema.
    let old = name("journal");
    publish(&old, &Options::default(), &[1.0]);
    std::fs::copy(folder(&at).join(".schema"), folder(&old).join(".schema")).unwrap();
    assert_eq!(registry::schemas(&old).unwrap(), [(0, registry::schema(&at).unwrap())]);
    let message = read(&old, watts("W")).recv(SOON).unwrap();
    assert_eq!(version(&registry::schema_of(&old, &message).unwrap()), 1);
    assert_eq!(read(&old, watts("kW")).recv(SOON).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    assert_eq!(Publisher::new(&old, &watts("kW")).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    publish(&old, &newer(), &[2.0]);
    let found: Vec<_> =
        registry::schemas(&old).unwrap().iter().map(|(n, form)| (*n, version(form))).collect();
    assert_eq!(found, [(2, 2)]);
    assert_eq!(read(&old, newer()).recv(SOON).unwrap().sequence(), 1);
}

#[test]
fn lost_or_replaced_schema_of_a_journal_is_reported() {
    let at = name("journal");
    publish(&at, &watts("W"), &[1.0]);
    let file = folder(&at).join(&files(&at)[0]);
    let good = std::fs::read(&file).unwrap();
    let other = name("journal");
    publish(&other, &watts("kW"), &[1.0]);
    let lying = std::fs::read(folder(&other).join(&files(&other)[0])).unwrap();
    let check_mismatch = |result: Result<linkspan::Message>, what: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.text().contains(what) && error.text().contains(".schema"), "{error}");
    };
    for (bytes, what) in [(None, "put it back"), (Some(&lying), "another schema"), (Some(&vec![1]), "remove")]
    {
        match bytes {
            None => std::fs::remove_file(&file).unwrap(),
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
        }
        check_mismatch(read(&at, watts("W")).recv(SOON), what);
        check_mismatch(linkspan::latest(&at, &watts("W"), SOON), what);
        let message = read(&at, Options::default()).recv(SOON).unwrap();
        assert_eq!(registry::schema_of(&at, &message).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(registry::schemas(&at).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    std::fs::write(&file, good).unwrap();
    read(&at, watts("W")).recv(SOON).unwrap();
}
