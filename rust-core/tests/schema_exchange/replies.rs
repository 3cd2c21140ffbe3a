//! Schemas of replies are compared like schemas of requests, in the opposite direction.

use std::thread;

use linkspan::schema::Schema;
use linkspan::{
    Channel, ErrorKind, EventKind, Listener, Options, Publisher, Server, Validate, Value, registry,
};

use super::{STREAMS, names_units, reading, watts};
use crate::support::{SOON, name};

fn level(unit: &str, more: &str) -> Schema {
    let text = format!("name = \"tank.level\"\n[fields.level]\ntype = \"f64\"\nunit = \"{unit}\"\n{more}");
    Schema::parse(&text).unwrap()
}

fn both(unit: &str, more: &str) -> Options {
    watts("W").with_reply_schema(level(unit, more))
}

const ADDED: &str = "[fields.full]\ntype = \"bool\"\ndefault = false\n";
const REQUIRED: &str = "[fields.full]\ntype = \"bool\"\n";

fn answer(server: &Server, value: &Value) -> linkspan::Result<()> {
    server.next(SOON).unwrap().unwrap().reply(value)
}

fn full(level: f64) -> Value {
    Value::map([("level", Value::from(level)), ("full", Value::from(true))])
}

#[test]
fn programs_with_compatible_reply_schemas_call_each_other() {
    for transport in STREAMS.into_iter().chain(["spool"]) {
        // A server may add fields that a client ignores. A client may read more than the server replies.
        for (serving, calling) in [
            (both("m", ""), both("m", "")),
            (both("m", ""), both("m", ADDED)),
            (both("m", ADDED), both("m", "")),
            (both("m", REQUIRED), both("m", "")),
            (both("m", ""), watts("W")),
            (watts("W"), both("m", "")),
            (Options::default().with_timeout(SOON).with_reply_schema(level("m", "")), both("m", "")),
        ] {
            let at = name(transport);
            let server = Server::serve(&at, &serving).unwrap();
            let client = Channel::connect(&at, &calling, SOON).unwrap();
            let asked = thread::spawn(move || client.call(&reading(1.0), SOON).unwrap());
            answer(&server, &full(2.0)).unwrap();
            assert_eq!(asked.join().unwrap().get("level").unwrap(), &Value::Float(2.0), "{transport}");
            server.close(SOON).unwrap();
        }
    }
}

#[test]
fn programs_with_different_reply_schemas_get_errors_on_both_sides() {
    for transport in STREAMS {
        let at = name(transport);
        let server = Server::serve(&at, &both("m", "")).unwrap();
        let refused = Channel::connect(&at, &both("cm", ""), SOON).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{transport}: {refused}");
        assert!(refused.text().starts_with("the reply schema tank.level"), "{refused}");
        assert!(refused.text().contains("level: the unit is m there and cm here"), "{refused}");
        let events = server.events();
        let mismatch = events.iter().find(|event| event.kind == EventKind::SchemaMismatch).unwrap();
        assert!(mismatch.text.contains("the reply schema tank.level"), "{}", mismatch.text);
        assert!(mismatch.text.contains("cm there") && mismatch.text.contains("m here"), "{}", mismatch.text);
        // The client reads replies, so it may not require more than the server sends.
        let refused = Channel::connect(&at, &both("m", REQUIRED), SOON).unwrap_err();
        assert!(refused.text().contains("full"), "{transport}: {refused}");
        let wrong = watts("kW").with_reply_schema(level("m", ""));
        let refused = Channel::connect(&at, &wrong, SOON).unwrap_err();
        names_units(refused.text(), "kW", "W");
        if ["shm", "unix"].contains(&transport) {
            let all = registry::list().unwrap();
            let listed = all.iter().find(|one| one.endpoint == at).unwrap();
            assert_eq!(listed.reply_schema.as_deref(), Some("tank.level version 1"));
            assert_eq!(listed.schema.as_deref(), Some("power.reading version 1"));
        }
        let form = registry::reply_schema(&at).unwrap();
        assert_eq!(Schema::from_bytes(&form).unwrap().name, "tank.level");
    }
    let at = name("spool");
    let server = Server::serve(&at, &both("m", "")).unwrap();
    let refused = Channel::connect(&at, &both("cm", ""), SOON).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SchemaMismatch, "{refused}");
    assert!(refused.text().contains(".reply_schema"), "{refused}");
    assert_eq!(Schema::from_bytes(&registry::reply_schema(&at).unwrap()).unwrap().name, "tank.level");
    let all = registry::list().unwrap();
    let listed = all.iter().find(|one| one.endpoint == at).unwrap();
    assert_eq!(listed.reply_schema.as_deref(), Some("tank.level version 1"));
    assert_eq!(listed.schema.as_deref(), Some("power.reading version 1"));
    server.close(SOON).unwrap();
}

#[test]
fn replies_are_checked_on_send_and_receive_on_request() {
    let wrong = Value::map([("level", Value::from("high"))]);
    for transport in STREAMS.into_iter().chain(["spool"]) {
        let at = name(transport);
        let server = Server::serve(&at, &both("m", "").with_validate(Validate::Send)).unwrap();
        let client = Channel::connect(&at, &both("m", "").with_validate(Validate::Receive), SOON).unwrap();
        thread::scope(|scope| {
            let asked = scope.spawn(|| client.call(&reading(1.0), SOON).unwrap());
            let request = server.next(SOON).unwrap().unwrap();
            let refused = request.reply(&wrong).unwrap_err();
            assert_eq!((refused.kind(), refused.path()), (ErrorKind::WrongType, Some("level")), "{refused}");
            // Nothing was sent yet. Values that the program encoded itself are not checked.
            let bytes = linkspan::codec::encode(&wrong, request.message().encoding()).unwrap();
            let payload = linkspan::Payload::from_bytes(request.message().encoding(), bytes.into());
            request.reply_payload(&payload).unwrap();
            let refused = asked.join().unwrap().value().unwrap_err();
            assert_eq!(
                (refused.kind(), refused.path()),
                (ErrorKind::WrongType, Some("level")),
                "{transport}"
            );
        });
        server.close(SOON).unwrap();
    }
    // The reply of a channel is checked against the schema of replies, not of messages.
    let at = name("unix");
    let listener = Channel::open(&at, &both("m", "").with_validate(Validate::Both), SOON).unwrap();
    let caller = Channel::connect(&at, &both("m", "").with_validate(Validate::Both), SOON).unwrap();
    thread::scope(|scope| {
        let asked = scope.spawn(|| caller.call(&reading(1.0), SOON).unwrap());
        let request = listener.recv(SOON).unwrap();
        assert_eq!(listener.reply(&request, &wrong, SOON).unwrap_err().path(), Some("level"));
        listener.reply(&request, &Value::map([("level", 2.0)]), SOON).unwrap();
        assert_eq!(asked.join().unwrap().get("level").unwrap(), &Value::Float(2.0));
    });
}

#[test]
fn reply_schema_is_refused_without_replies() {
    for refused in [
        Publisher::new(&name("unix"), &both("m", "")).map(drop).unwrap_err(),
        Publisher::new(&name("journal"), &both("m", "")).map(drop).unwrap_err(),
    ] {
        assert_eq!((refused.kind(), refused.path()), (ErrorKind::Unsupported, Some("reply_schema")));
    }
    let at = name("unix");
    let listener = Listener::listen(&at, &watts("W")).unwrap();
    assert_eq!(registry::reply_schema(&at).unwrap_err().kind(), ErrorKind::Missing);
    listener.close();
    let only = Options::default().with_reply_schema(level("m", "")).with_validate(Validate::Both);
    Server::serve(&name("unix"), &only).unwrap();
}
