//! Peers with false claims about schemas. A caller gets its error and reads at most the size of a schema.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use linkspan::codec::decode;
use linkspan::frame::{HEADER, Header, Kind};
use linkspan::schema::Schema;
use linkspan::{Channel, Encoding, ErrorKind, EventKind, Options, Server, Value};
use sha2::{Digest, Sha256};

use crate::support::{SOON, hellos, name};

fn options(unit: &str) -> Options {
    let text = format!("name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"{unit}\"\n");
    Options::default().with_schema(Schema::parse(&text).unwrap()).with_timeout(SOON)
}

fn schema(unit: &str) -> Schema {
    Schema::parse(&format!("name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"{unit}\"\n")).unwrap()
}

fn hello(more: impl IntoIterator<Item = (&'static str, Value)>) -> Vec<u8> {
    let more = more.into_iter().map(|(key, value)| (key.to_owned(), value));
    hellos::hello(hellos::hello_map().into_iter().chain(more).collect())
}

fn read(stream: &mut UnixStream) -> Option<(Kind, Value)> {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut head = [0; HEADER];
    stream.read_exact(&mut head).ok()?;
    let header = Header::from_bytes(&head).unwrap();
    let mut body = vec![0; header.body as usize];
    stream.read_exact(&mut body).unwrap();
    Some((header.kind, decode(&body, Encoding::Cbor).unwrap()))
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec().into())
}

/// Returns the error of `connect` for a listener that answers with `answer`, and the number of calls.
fn with_impostor(
    answer: impl Fn(usize, &Value) -> Vec<(&'static str, Value)> + Sync,
) -> (linkspan::Error, usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("liar");
    let socket = UnixListener::bind(&path).unwrap();
    let called = std::sync::atomic::AtomicUsize::new(0);
    let ended = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|s| {
        s.spawn(|| {
            loop {
                let (mut stream, _) = socket.accept().unwrap();
                if ended.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
                let Some((_, answered)) = read(&mut stream) else { continue };
                let call = called.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let _ = stream.write_all(&hello(answer(call, &answered)));
            }
        });
        let endpoint = format!("unix:{}", path.display());
        let error = Channel::connect(&endpoint, &options("W"), SOON).unwrap_err();
        ended.store(true, std::sync::atomic::Ordering::SeqCst);
        drop(UnixStream::connect(&path).unwrap());
        (error, called.load(std::sync::atomic::Ordering::SeqCst))
    })
}

fn part(at: u64, size: u64, form: &[u8]) -> (&'static str, Value) {
    ("schema_part", Value::Array(vec![at.into(), size.into(), bytes(form)]))
}

#[test]
fn fingerprint_that_lies_is_refused() {
    let form = schema("kW").to_bytes().unwrap();
    let (error, calls) = with_impostor(|_, _| {
        vec![("schemas", Value::Array(vec![bytes(&[7; 32])])), part(0, form.len() as u64, &form)]
    });
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    assert!(error.text().contains("fingerprint"), "{error}");
    assert_eq!(calls, 2);
}

#[test]
fn schema_of_a_listener_that_is_none_is_malformed() {
    let kilowatts = schema("kW").to_bytes().unwrap();
    // One changed letter, another name of a kind, and an equal meaning in other bytes.
    let spoiled = |from: &[u8], to: &[u8]| {
        let at = kilowatts.windows(from.len()).position(|window| window == from).unwrap();
        [&kilowatts[..at], to, &kilowatts[at + from.len()..]].concat()
    };
    for form in [
        b"".to_vec(),
        vec![0xff; 3000],
        vec![0x81; 3000],
        spoiled(b"kW", b"\x01\x01"),
        spoiled(b"f64", b"f65"),
        spoiled(b"\x66format\x01", b"\x66format\x18\x01"),
        [&kilowatts[..], b"more"].concat(),
    ] {
        let fingerprint = Sha256::digest(&form);
        let (error, _) = with_impostor(|_, _| {
            vec![("schemas", Value::Array(vec![bytes(&fingerprint)])), part(0, form.len() as u64, &form)]
        });
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }
}

#[test]
fn parts_that_are_too_much_or_none_of_it_are_refused() {
    let schemas = || ("schemas", Value::Array(vec![bytes(&[7; 32])]));
    let (error, calls) = with_impostor(|_, _| vec![schemas(), part(0, 1 << 40, &[0; 8])]);
    assert_eq!((error.kind(), calls), (ErrorKind::TooLarge, 2), "{error}");
    for (at, size, length) in [(0, 100, 101), (1, 100, 10), (0, 100, 0), (u64::MAX, 100, 10)] {
        let (error, calls) = with_impostor(|_, _| vec![schemas(), part(at, size, &vec![0; length])]);
        assert_eq!((error.kind(), calls), (ErrorKind::Malformed, 2), "{error}");
    }
    // Parts of one byte are bounded in total. A listener that returns no part is called again.
    let (error, calls) = with_impostor(|_, _| vec![schemas()]);
    assert_eq!((error.kind(), calls), (ErrorKind::Stalled, 16), "{error}");
}

#[test]
fn listener_with_another_schema_at_each_call_ends_in_an_error() {
    let (error, calls) = with_impostor(|call, answered| {
        let unit = format!("10*{}.W", call + 1);
        let found = if answered.at("ask").is_ok() { schema(&format!("10*{call}.W")) } else { schema(&unit) };
        let form = found.to_bytes().unwrap();
        vec![
            ("schemas", Value::Array(vec![bytes(&found.fingerprint().unwrap().0)])),
            part(0, form.len() as u64, &form),
        ]
    });
    // The first one differs in its unit, which ends it.
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    assert!(calls <= 3, "{calls}");
}

#[test]
fn hostile_schema_reports_harm_no_peer() {
    let endpoint = name("unix");
    let server = Server::serve(&endpoint, &options("W")).unwrap();
    let file = endpoint.strip_prefix("unix:").unwrap().replace('/', "@") + ".unix";
    let path = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(file);
    let answer = |more: Vec<(&'static str, Value)>| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(&hello(more)).unwrap();
        read(&mut stream).unwrap()
    };
    let fingerprint = schema("W").fingerprint().unwrap().0;
    for schemas in [vec![bytes(&[1; 31])], vec![bytes(&[])], vec![Value::from("f")]] {
        let (kind, answered) = answer(vec![("schemas", Value::Array(schemas))]);
        assert_eq!(kind, Kind::Error, "{answered:?}");
    }
    let (kind, answered) = answer(vec![("schemas", Value::Array(vec![bytes(&[1; 32])]))]);
    assert_eq!((kind, answered.at("schemas/0").unwrap()), (Kind::Hello, &bytes(&fingerprint)));
    assert_eq!(server.stats().at("connections").unwrap(), &Value::from(0u64));
    for at in [1u64 << 20, u64::MAX] {
        let (_, answered) = answer(vec![("ask", true.into()), ("schema_at", at.into())]);
        assert!(answered.at("schema_part").is_err(), "{answered:?}");
    }
    let (_, answered) = answer(vec![("ask", true.into()), ("schema_at", 0u64.into())]);
    assert_eq!(answered.at("schema_part/2").unwrap(), &bytes(&schema("W").to_bytes().unwrap()));
    let answered = format!("\x1b[2J\u{202e}{}", "é".repeat(1 << 12));
    answer(vec![("ask", true.into()), ("mismatch", answered.into())]);
    // It may be noted after the answer.
    let began = std::time::Instant::now();
    let event = loop {
        if let Some(event) = server.events().into_iter().find(|e| e.kind == EventKind::SchemaMismatch) {
            break event;
        }
        assert!(began.elapsed() < SOON, "the mismatch is not told");
        thread::yield_now();
    };
    assert!(!event.text.contains(['\x1b', '\u{202e}']) && event.text.len() < 4096, "{}", event.text);
    let good = Channel::connect(&endpoint, &options("W"), SOON).unwrap();
    thread::scope(|s| {
        let asked = s.spawn(|| good.call(&Value::map([("watts", 1.0)]), SOON).unwrap());
        server.next(SOON).unwrap().unwrap().reply(&Value::Null).unwrap();
        asked.join().unwrap();
    });
}
