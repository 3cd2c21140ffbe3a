//! Schemas at connect: matching programs exchange messages, others get the reason on both sides.

mod fingerprints;
mod journal;
mod replies;

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{SOON, name};
use linkspan::schema::Schema;
use linkspan::{
    Channel, ErrorKind, Event, EventKind, Listener, Options, Publisher, Server, StartAt, Subscriber,
    Validate, Value,
};

const STREAMS: [&str; 4] = ["shm", "unix", "fifo", "tcp"];
const PUBLISHED: [&str; 3] = ["shm", "unix", "tcp"];

fn schema(fields: &str) -> Options {
    let text = format!("name = \"power.reading\"\n{fields}");
    Options::default().with_schema(Schema::parse(&text).unwrap()).with_timeout(SOON)
}

fn watts(unit: &str) -> Options {
    schema(&format!("[fields.watts]\ntype = \"f64\"\nunit = \"{unit}\"\n"))
}

/// A newer version, with one more field, which has a default.
fn newer() -> Options {
    schema(
        "version = 2\n[fields.watts]\ntype = \"f64\"\nunit = \"W\"\n[fields.phase]\ntype = \"u8\"\ndefault = 1\n",
    )
}

fn reading(watts: f64) -> Value {
    Value::map([("watts", watts)])
}

/// Checks the error of a program with one unit about a program with another.
fn names_units(text: &str, here: &str, there: &str) {
    let differs = format!("watts: the unit is {there} there and {here} here")
        + &format!("|watts: the unit is {here} here and {there} there");
    assert!(differs.split('|').any(|differs| text.contains(differs)), "{text}");
}

#[test]
fn channels_with_equal_or_compatible_schemas_exchange_messages_both_ways() {
    for transport in STREAMS {
        for (listening, calling) in [
            (watts("W"), watts("W")),
            (watts("W"), newer()),
            (newer(), watts("W")),
            (watts("W"), watts("J/s")),
            (watts("W"), Options::default()),
            (Options::default(), watts("W")),
        ] {
            let at = name(transport);
            let listener = Channel::open(&at, &listening, SOON).unwrap();
            let caller = Channel::connect(&at, &calling, SOON).unwrap();
            caller.send(&reading(1.0), SOON).unwrap();
            assert_eq!(listener.recv(SOON).unwrap().get("watts").unwrap(), &Value::Float(1.0), "{transport}");
            listener.send(&reading(2.0), SOON).unwrap();
            assert_eq!(caller.recv(SOON).unwrap().get("watts").unwrap(), &Value::Float(2.0), "{transport}");
        }
    }
}

#[test]
fn channels_with_different_units_get_errors_on_both_sides() {
    for transport in STREAMS {
        let at = name(transport);
        let listener = Channel::open(&at, &watts("W"), SOON).unwrap();
        let refused = Channel::connect(&at, &watts("kW"), SOON).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{transport}: {refused}");
        names_units(refused.text(), "kW", "W");
        assert_eq!(refused.text().matches("the unit is").count(), 1, "{refused}");
        let error = listener.recv(SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{transport}: {error}");
        names_units(error.text(), "W", "kW");
        assert_eq!(listener.events().iter().filter(|e| e.kind == EventKind::SchemaMismatch).count(), 1);
        // It is reported once, and the next client may connect.
        assert_eq!(listener.recv(Duration::from_millis(1)).unwrap_err().kind(), ErrorKind::Timeout);
        let caller = Channel::connect(&at, &watts("W"), SOON).unwrap();
        caller.send(&reading(1.0), SOON).unwrap();
        listener.recv(SOON).unwrap();
    }
}

/// Returns this many events. The listening side may note them after its answer.
fn mismatches(count: usize, transport: &str, events: impl Fn() -> Vec<Event>) -> Vec<Event> {
    let (began, mut found) = (Instant::now(), Vec::new());
    loop {
        found.extend(events().into_iter().filter(|event| event.kind == EventKind::SchemaMismatch));
        if found.len() >= count {
            assert_eq!(found.len(), count, "{found:?}");
            return found;
        }
        assert!(began.elapsed() < SOON, "{transport}: {count} are to be told, and there are {found:?}");
        thread::yield_now();
    }
}

#[test]
fn listeners_and_servers_go_on_and_report_a_mismatch_as_an_event() {
    for transport in ["shm", "unix", "tcp"] {
        let at = name(transport);
        let listener = Listener::listen(&at, &watts("W")).unwrap();
        let refused = Channel::connect(&at, &watts("kW").with_client_id("meter"), SOON).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{transport}: {refused}");
        let event = mismatches(1, transport, || listener.events()).remove(0);
        assert!(event.text.contains("meter"), "{}", event.text);
        names_units(&event.text, "W", "kW");
        listener.close();
    }
    for transport in STREAMS {
        let at = name(transport);
        let server = Server::serve(&at, &watts("W")).unwrap();
        let refused = Channel::connect(&at, &watts("kW"), SOON).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{transport}: {refused}");
        let event = mismatches(1, transport, || server.events()).remove(0);
        names_units(&event.text, "W", "kW");
        assert_eq!(server.stats().at("schema_mismatches").unwrap(), &Value::from(1u64));
        // A client may widen its values only to values that the server reads.
        let client = Channel::connect(&at, &watts("W"), SOON).unwrap();
        let asked = thread::spawn(move || client.call(&reading(3.0), SOON).unwrap());
        let request = server.next(SOON).unwrap().unwrap();
        // The schema does not describe answers.
        request.reply(&Value::from("thanks")).unwrap();
        drop(request);
        server.close(SOON).unwrap();
        assert_eq!(asked.join().unwrap().value().unwrap(), &Value::from("thanks"));
    }
}

#[test]
fn subscribers_compare_before_their_first_message() {
    for transport in PUBLISHED {
        let at = name(transport);
        let publisher = Publisher::new(&at, &watts("W")).unwrap();
        publisher.send(&reading(1.0)).unwrap();
        let wrong = Subscriber::new(&at, &watts("kW")).unwrap();
        for _ in 0..3 {
            let refused = wrong.recv(SOON).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{transport}: {refused}");
            names_units(refused.text(), "kW", "W");
        }
        let refused = linkspan::latest(&at, &watts("kW"), SOON).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{transport}: {refused}");
        let told = mismatches(2, transport, || publisher.events());
        names_units(&told[0].text, "W", "kW");
        let more = publisher.events().into_iter().filter(|e| e.kind == EventKind::SchemaMismatch).count();
        assert_eq!(more, 0, "once for each object that called");
        for fitting in [watts("W"), newer(), Options::default()] {
            let subscriber = Subscriber::new(&at, &fitting).unwrap();
            assert_eq!(subscriber.recv(SOON).unwrap().get("watts").unwrap(), &Value::Float(1.0));
            assert_eq!(
                linkspan::latest(&at, &fitting, SOON).unwrap().get("watts").unwrap(),
                &Value::Float(1.0)
            );
        }
    }
}

#[test]
fn subscriber_continues_once_the_publisher_has_a_schema_that_fits() {
    for transport in PUBLISHED {
        let at = name(transport);
        let wrong = Publisher::new(&at, &watts("kW")).unwrap();
        let subscriber = Subscriber::new(&at, &watts("W")).unwrap();
        assert_eq!(subscriber.recv(SOON).unwrap_err().kind(), ErrorKind::SchemaMismatch);
        wrong.close(SOON).unwrap();
        let right = Publisher::new(&at, &newer()).unwrap();
        right.send(&reading(5.0)).unwrap();
        assert_eq!(subscriber.recv(SOON).unwrap().get("watts").unwrap(), &Value::Float(5.0), "{transport}");
    }
}

#[test]
fn long_schema_is_exchanged_in_parts_and_one_that_is_too_long_is_refused() {
    let with = |fields: usize, unit: &str| {
        let names = (0..fields).map(|i| {
            format!("[fields.reading_of_the_meter_number_{i}]\ntype = \"f64\"\nunit = \"{unit}\"\n")
        });
        schema(&names.collect::<String>())
    };
    for transport in STREAMS {
        let at = name(transport);
        let listener = Channel::open(&at, &with(300, "W"), SOON).unwrap();
        let refused = Channel::connect(&at, &with(300, "kW"), SOON).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{transport}: {refused}");
        assert!(refused.text().contains("and 292 more"), "{refused}");
        assert_eq!(listener.recv(SOON).unwrap_err().kind(), ErrorKind::SchemaMismatch);
        Channel::connect(&at, &with(301, "W"), SOON).unwrap_err();
        Channel::connect(&at, &with(300, "J/s"), SOON).unwrap();
    }
    let fields = (0..3500).map(|i| format!("{}_{i:04} = \"f64\"\n", "x".repeat(57)));
    let long = schema(&format!("[fields]\n{}", fields.collect::<String>()));
    let refused = Publisher::new(&name("unix"), &long).unwrap_err();
    assert_eq!((refused.kind(), refused.path()), (ErrorKind::TooLarge, Some("schema")), "{refused}");
}

#[test]
fn values_are_checked_on_send_and_receive_on_request() {
    for transport in STREAMS {
        let at = name(transport);
        let sends = watts("W").with_validate(Validate::Send);
        let checks = watts("W").with_validate(Validate::Receive);
        let listener = Channel::open(&at, &checks, SOON).unwrap();
        let caller = Channel::connect(&at, &sends, SOON).unwrap();
        let wrong = Value::map([("watts", Value::from("many"))]);
        let refused = caller.send(&wrong, SOON).unwrap_err();
        assert_eq!((refused.kind(), refused.path()), (ErrorKind::WrongType, Some("watts")), "{refused}");
        assert!(refused.text().contains("f64 in W is expected, text was found"), "{refused}");
        // The listener checks received messages, but not sent ones.
        listener.send(&wrong, SOON).unwrap();
        assert_eq!(caller.recv(SOON).unwrap().get("watts").unwrap(), &Value::from("many"));
        let unchecked = linkspan::codec::encode(&wrong, linkspan::Encoding::Cbor).unwrap();
        let payload = linkspan::Payload::from_bytes(linkspan::Encoding::Cbor, unchecked.into());
        caller.send_payload(&payload, SOON).unwrap();
        caller.send(&reading(4.0), SOON).unwrap();
        let message = listener.recv(SOON).unwrap();
        let refused = message.value().unwrap_err();
        assert_eq!((refused.kind(), refused.path()), (ErrorKind::WrongType, Some("watts")), "{refused}");
        drop(message);
        assert_eq!(listener.recv(SOON).unwrap().get("watts").unwrap(), &Value::Float(4.0));
    }
    let at = name("unix");
    let publisher = Publisher::new(&at, &watts("W").with_validate(Validate::Both)).unwrap();
    assert_eq!(publisher.send(&Value::from(1.0)).unwrap_err().kind(), ErrorKind::WrongType);
    publisher.send(&reading(1.0)).unwrap();
    let refused =
        Publisher::new(&name("unix"), &Options::default().with_validate(Validate::Send)).unwrap_err();
    assert_eq!((refused.kind(), refused.path()), (ErrorKind::Unsupported, Some("validate")));
}

#[test]
fn schemas_are_stored_with_journals_and_compared_by_every_program() {
    let at = name("journal");
    let before = Subscriber::new(&at, &watts("kW").with_from(StartAt::First)).unwrap();
    let publisher = Publisher::new(&at, &watts("W")).unwrap();
    publisher.send(&reading(1.0)).unwrap();
    let refused = before.recv(SOON).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{refused}");
    names_units(refused.text(), "kW", "W");
    drop(publisher);
    for _ in 0..2 {
        let late = Subscriber::new(&at, &watts("kW").with_from(StartAt::First)).unwrap();
        assert_eq!(late.recv(SOON).unwrap_err().kind(), ErrorKind::SchemaMismatch);
        assert_eq!(late.recv(SOON).unwrap_err().kind(), ErrorKind::SchemaMismatch);
        assert_eq!(linkspan::latest(&at, &watts("kW"), SOON).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    }
    let refused = Publisher::new(&at, &watts("kW")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{refused}");
    assert!(refused.text().contains(".schema"), "{refused}");
    // A newer version reads the stored messages, and is stored from then on.
    let publisher = Publisher::new(&at, &newer()).unwrap();
    publisher.send(&reading(2.0)).unwrap();
    let stored = Schema::from_bytes(&linkspan::registry::schema(&at).unwrap()).unwrap();
    assert_eq!(stored.version, 2);
    for fitting in [watts("W"), newer(), Options::default().with_timeout(SOON)] {
        let subscriber = Subscriber::new(&at, &fitting.with_from(StartAt::First)).unwrap();
        for watts in [1.0, 2.0] {
            assert_eq!(subscriber.recv(SOON).unwrap().get("watts").unwrap(), &Value::Float(watts));
        }
    }
}

#[test]
fn schemas_are_stored_with_spools_and_compared_by_every_program() {
    for durable in [false, true] {
        let at = name("spool");
        let with = |options: Options| options.with_durable(durable);
        let server = Server::serve(&at, &with(watts("W"))).unwrap();
        let stored = Schema::from_bytes(&linkspan::registry::schema(&at).unwrap()).unwrap();
        assert_eq!(stored.name, "power.reading");
        server.close(SOON).unwrap();
        let refused = Channel::connect(&at, &with(watts("kW")), SOON).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{refused}");
        names_units(refused.text(), "kW", "W");
        let client = Channel::connect(&at, &with(watts("W")), SOON).unwrap();
        client.send(&reading(1.0), SOON).unwrap();
        let refused = Server::serve(&at, &with(watts("kW"))).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{refused}");
        let server = Server::serve(&at, &with(newer())).unwrap();
        let request = server.next(SOON).unwrap().unwrap();
        assert_eq!(request.get("watts").unwrap(), &Value::Float(1.0));
        drop(request);
        Channel::connect(&at, &with(Options::default()), SOON).unwrap();
    }
}

#[test]
fn invalid_stored_schema_is_reported_and_not_used() {
    let at = name("journal");
    drop(Publisher::new(&at, &watts("W")).unwrap());
    let file = at.strip_prefix("journal:").unwrap().replace('/', "@") + ".journal";
    let stored =
        std::path::Path::new(&std::env::var("LINKSPAN_STATE_DIR").unwrap()).join(file).join(".schema");
    let good = std::fs::read(&stored).unwrap();
    let cut = good[..good.len() - 1].to_vec();
    for (bytes, kind) in [
        (cut, ErrorKind::Corrupt),
        (b"".to_vec(), ErrorKind::Corrupt),
        (vec![0x9f; 4096], ErrorKind::Corrupt),
        (vec![0; 1 << 20], ErrorKind::TooLarge),
    ] {
        std::fs::write(&stored, bytes).unwrap();
        for error in
            [Publisher::new(&at, &watts("W")).unwrap_err(), linkspan::registry::schema(&at).unwrap_err()]
        {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.text().contains(".schema") && error.text().contains("remove"), "{error}");
        }
        drop(Publisher::new(&at, &Options::default()).unwrap());
    }
    std::fs::remove_file(&stored).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &stored).unwrap();
    Publisher::new(&at, &watts("W")).unwrap_err();
}

#[test]
fn schema_of_a_name_is_read_from_its_listener() {
    for transport in STREAMS {
        let at = name(transport);
        let _channel = Channel::open(&at, &newer(), SOON).unwrap();
        let found = Schema::from_bytes(&linkspan::registry::schema(&at).unwrap()).unwrap();
        assert_eq!(found.version, 2, "{transport}");
    }
    let at = name("unix");
    assert_eq!(linkspan::registry::schema(&at).unwrap_err().kind(), ErrorKind::NotFound);
    let _without = Publisher::new(&at, &Options::default()).unwrap();
    assert_eq!(linkspan::registry::schema(&at).unwrap_err().kind(), ErrorKind::Missing);
}
