//! Each received message has its sender's fingerprint, on every path: generated code checks it.

use super::*;
use linkspan::Message;

fn fingerprint(fields: &str) -> String {
    let text = format!("name = \"power.reading\"\n{fields}");
    Schema::parse(&text).unwrap().fingerprint().unwrap().to_string()
}

fn of_watts(unit: &str) -> String {
    fingerprint(&format!("[fields.watts]\ntype = \"f64\"\nunit = \"{unit}\"\n"))
}

/// Checks that only code of the sender's schema may decode the message.
fn is_of(message: &Message, unit: &str, what: &str) {
    message.check_fingerprint(&of_watts(unit)).unwrap();
    let error = message.check_fingerprint(&of_watts("bar")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{what}: {error}");
    for fingerprint in [of_watts(unit), of_watts("bar")] {
        assert!(error.text().contains(&fingerprint[..16]), "{what}: {error}");
    }
}

fn values() -> [Value; 3] {
    let long = |bytes: usize| {
        Value::map([("watts", Value::from(1.0)), ("more", Value::Bytes(vec![7; bytes].into()))])
    };
    [reading(1.0), long(20_000), long(1 << 20)]
}

#[test]
fn messages_of_channels_have_the_fingerprint_of_their_sender() {
    for transport in STREAMS {
        let at = name(transport);
        let listener = Channel::open(&at, &Options::default(), SOON).unwrap();
        let caller = Channel::connect(&at, &watts("W"), SOON).unwrap();
        for round in 0..3 {
            for value in values() {
                // A long message needs a simultaneous reader.
                thread::scope(|s| {
                    s.spawn(|| caller.send(&value, SOON).unwrap());
                    is_of(&listener.recv(SOON).unwrap(), "W", &format!("{transport}, round {round}"));
                });
                thread::scope(|s| {
                    s.spawn(|| listener.send(&value, SOON).unwrap());
                    caller.recv(SOON).unwrap().check_fingerprint(&of_watts("bar")).unwrap();
                });
            }
        }
    }
}

#[test]
fn requests_and_replies_have_the_fingerprints_of_their_own_schemas() {
    for transport in STREAMS {
        let at = name(transport);
        let replies =
            Schema::parse("name = \"power.reading\"\n[fields.watts]\ntype = \"f64\"\nunit = \"kW\"\n")
                .unwrap();
        let server = Server::serve(&at, &Options::default().with_reply_schema(replies)).unwrap();
        thread::scope(|s| {
            s.spawn(|| {
                // A long answer continues at the next call.
                while let Ok(Some(request)) = server.next(SOON) {
                    is_of(request.message(), "W", transport);
                    request.reply(request.value().unwrap()).unwrap();
                }
            });
            let client = Channel::connect(&at, &watts("W"), SOON).unwrap();
            for value in values().into_iter().chain(values()) {
                is_of(&client.call(&value, SOON).unwrap(), "kW", transport);
            }
            server.close(SOON).unwrap();
        });
    }
}

#[test]
fn published_messages_have_the_fingerprint_of_their_publisher() {
    for transport in PUBLISHED {
        let at = name(transport);
        let publisher = Publisher::new(&at, &watts("W")).unwrap();
        let reader = Subscriber::new(&at, &Options::default()).unwrap();
        let several = Subscriber::of(&[&*at], &Options::default()).unwrap();
        publisher.send(&reading(0.0)).unwrap();
        for _ in 0..3 {
            for reader in [&reader, &several] {
                is_of(&reader.recv(SOON).unwrap(), "W", transport);
            }
            is_of(&linkspan::latest(&at, &Options::default(), SOON).unwrap(), "W", transport);
            publisher.send(&reading(1.0)).unwrap();
        }
        for value in values() {
            for reader in [&reader, &several] {
                is_of(&reader.recv(SOON).unwrap(), "W", transport);
            }
            publisher.send(&value).unwrap();
        }
    }
}

#[test]
fn compared_schema_of_the_receiver_counts_as_that_of_the_sender() {
    let newest = fingerprint(
        "version = 2\n[fields.watts]\ntype = \"f64\"\nunit = \"W\"\n[fields.phase]\ntype = \"u8\"\ndefault = 1\n",
    );
    for transport in PUBLISHED {
        let at = name(transport);
        let publisher = Publisher::new(&at, &watts("W")).unwrap();
        publisher.send(&reading(1.0)).unwrap();
        let compared = Subscriber::new(&at, &newer()).unwrap().recv(SOON).unwrap();
        compared.check_fingerprint(&newest).unwrap();
        is_of(&compared, "W", transport);
        let alone = Subscriber::new(&at, &Options::default()).unwrap().recv(SOON).unwrap();
        assert_eq!(alone.check_fingerprint(&newest).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    }
}

#[test]
fn records_of_a_journal_have_the_fingerprint_of_their_writer() {
    let at = name("journal");
    for (unit, number) in [("W", 1), ("J/s", 2)] {
        let publisher = Publisher::new(&at, &watts(unit)).unwrap();
        publisher.send(&reading(f64::from(number))).unwrap();
    }
    let first = Options::default().with_from(StartAt::First);
    let reader = Subscriber::new(&at, &first).unwrap();
    for unit in ["W", "J/s"] {
        is_of(&reader.recv(SOON).unwrap(), unit, "journal");
    }
    is_of(&linkspan::latest(&at, &Options::default(), SOON).unwrap(), "J/s", "journal");
}

#[test]
fn message_of_a_sender_without_a_schema_is_decoded_by_any_code() {
    for transport in PUBLISHED {
        let at = name(transport);
        let publisher = Publisher::new(&at, &Options::default()).unwrap();
        publisher.send(&reading(1.0)).unwrap();
        for options in [Options::default(), watts("W")] {
            let message = Subscriber::new(&at, &options).unwrap().recv(SOON).unwrap();
            message.check_fingerprint(&of_watts("bar")).unwrap();
        }
    }
}
