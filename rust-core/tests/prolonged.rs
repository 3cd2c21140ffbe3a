//! Every loop that a peer can prolong ends by the deadline of the call: the table has each loop with such a
//! peer.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use linkspan::frame::{HEADER, Header, Kind};
use linkspan::schema::Schema;
use linkspan::{Channel, Encoding, ErrorKind, Options, Subscriber, Value, latest};

use crate::support::shm_peer::{LAYOUT, Memory, RING, SESSION, hello, send_unless_gone, socket_of};
use crate::support::{SOON, hellos, name};

const BRIEF: Duration = Duration::from_millis(700);

struct Peer {
    ended: Arc<AtomicBool>,
    path: std::path::PathBuf,
    thread: Option<thread::JoinHandle<()>>,
}

impl Peer {
    fn at(endpoint: &str, answer: impl Fn(UnixStream) + Send + 'static) -> Peer {
        let path = socket_of(endpoint);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let over = ended.clone();
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                stream.set_read_timeout(Some(SOON)).unwrap();
                answer(stream);
            }
        });
        Peer { ended, path, thread: Some(thread) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
        let ended = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

fn read(mut stream: &UnixStream) -> Option<Value> {
    let mut head = [0; HEADER];
    stream.read_exact(&mut head).ok()?;
    let mut body = vec![0; Header::from_bytes(&head).ok()?.body as usize];
    stream.read_exact(&mut body).ok()?;
    linkspan::codec::decode(&body, Encoding::Cbor).ok()
}

/// Sends a schema one byte at a time.
fn schema_in_bytes(stream: UnixStream) {
    let Some(asked) = read(&stream) else { return };
    let mut members = hellos::hello_map();
    members.insert("schemas".into(), Value::Array(vec![Value::Bytes(vec![7; 32].into())]));
    if let Ok(at) = asked.at("schema_at") {
        thread::sleep(Duration::from_millis(3));
        let part = vec![at.clone(), 60_000u64.into(), Value::Bytes(vec![7].into())];
        members.insert("schema_part".into(), Value::Array(part));
    }
    let _ = (&stream).write_all(&hellos::hello(members));
}

/// Answers without end to requests that nobody made.
fn answers(stream: UnixStream) {
    if read(&stream).is_none() {
        return;
    }
    let _ = (&stream).write_all(&hellos::hello(hellos::hello_map()));
    let answer = |sequence: u64| {
        let correlation = sequence + (1 << 40);
        let header = Header { body: 1, sequence, correlation, ..Header::new(Kind::Reply, Encoding::Cbor) };
        [&header.to_bytes()[..], &[0xf6]].concat()
    };
    // Many in each write, so the caller never finds the link empty.
    for first in (1..).step_by(1000) {
        let many: Vec<u8> = (first..first + 1000).flat_map(answer).collect();
        if (&stream).write_all(&many).is_err() {
            return;
        }
    }
}

fn hang_up(stream: UnixStream) {
    if read(&stream).is_some() {
        let _ = (&stream).write_all(&hellos::hello(hellos::hello_map()));
    }
}

/// A publisher that has always moved to another ring.
fn always_moved(stream: UnixStream) {
    const STATE: usize = 512;
    const MOVED: u64 = 2;
    if read(&stream).is_some() {
        let ring = Memory::new(b"LINKPUB1", LAYOUT, SESSION, RING);
        ring.store(STATE, MOVED);
        // On a busy machine the deadline of the caller may pass first.
        send_unless_gone(&stream, &hello("publish", SESSION), &[ring.file.as_fd()]);
    }
}

fn with_schema() -> Options {
    Options::default()
        .with_schema(Schema::parse("name = \"power\"\n[fields.watts]\ntype = \"f64\"\n").unwrap())
}

fn kind<T>(result: linkspan::Result<T>) -> Option<ErrorKind> {
    result.err().map(|e| e.kind())
}

/// A loop, the transport and the peer that prolongs it, and the call that enters it.
type Case = (&'static str, &'static str, fn(UnixStream), fn(&str) -> Option<ErrorKind>);

#[test]
fn loop_that_a_peer_prolongs_ends_by_the_deadline() {
    let cases: [Case; 10] = [
        ("parts of a schema at connect", "unix", schema_in_bytes, |at| {
            kind(Channel::connect(at, &with_schema(), BRIEF))
        }),
        ("links that end: recv", "unix", hang_up, |at| {
            kind(Channel::dial(at, &Options::default()).unwrap().recv(BRIEF))
        }),
        ("links that end: call", "unix", hang_up, |at| {
            let options = Options::default().with_idempotent(true);
            kind(Channel::dial(at, &options).unwrap().call(&Value::Null, BRIEF))
        }),
        ("answers to no request: recv", "unix", answers, |at| {
            kind(Channel::connect(at, &Options::default(), SOON).unwrap().recv(BRIEF))
        }),
        ("answers to no request: call", "unix", answers, |at| {
            kind(Channel::connect(at, &Options::default(), SOON).unwrap().call(&Value::Null, BRIEF))
        }),
        ("rings that moved: latest", "shm", always_moved, |at| kind(latest(at, &Options::default(), BRIEF))),
        ("rings that moved: latest without waiting", "shm", always_moved, |at| {
            kind(latest(at, &Options::default(), Duration::ZERO))
        }),
        ("rings that moved: newest", "shm", always_moved, |at| {
            kind(Subscriber::new(at, &Options::default()).unwrap().newest(BRIEF))
        }),
        ("rings that moved: recv", "shm", always_moved, |at| {
            kind(Subscriber::new(at, &Options::default()).unwrap().recv(BRIEF))
        }),
        ("rings that moved: next", "shm", always_moved, |at| {
            kind(Subscriber::new(at, &Options::default()).unwrap().next(BRIEF))
        }),
    ];
    for (case, transport, peer, call) in cases {
        let endpoint = name(transport);
        let _peer = Peer::at(&endpoint, peer);
        let (done, ended) = mpsc::channel();
        let at = endpoint.clone();
        thread::spawn(move || done.send(call(&at)));
        let ended = ended.recv_timeout(SOON).unwrap_or_else(|_| panic!("{case}: it goes on for ever"));
        let kinds = [ErrorKind::Stalled, ErrorKind::Timeout, ErrorKind::NotFound, ErrorKind::Disconnected];
        assert!(ended.is_some_and(|kind| kinds.contains(&kind)), "{case}: {ended:?}");
    }
}
