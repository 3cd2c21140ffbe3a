//! Tests of named pipes, which keep bytes of dead processes and do not show whether a process lives.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::bound_pipe::{self, BoundPipe};
use super::call::ask;
use super::hello::stamp;
use super::liveness::{LinkSide, has_client, link_lock_name};
use super::pair::{reply, sweep};
use super::plain::{self, open_plain};
use crate::acceptor::{self, HandshakeAnswer, HandshakeHandler, IncomingHandshake, ListenerRegistration};
use crate::authentication::HelloSource;
use crate::codec::Encoding;
use crate::connectionless::ConnectOptions;
use crate::deadline::{Deadline, Waiting};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::hello::Call;
use crate::place::Place;
use crate::socket::{StreamRx, StreamTx};
use crate::stream::Stream;
use crate::sys::fifo::{self, PipeEnd};
use crate::sys::lock;
use crate::sys::peer::Credentials;
use crate::sys::poll::wait_readable;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Only guards against a hang.
const SOON: Duration = Duration::from_secs(60);

fn make(place: &Place, name: &str, mode: u32) {
    let path = place.directory.path().join(name);
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn soon() -> Waiting<'static> {
    Waiting::until(Deadline::after(SOON))
}

fn endpoint(folder: &tempfile::TempDir) -> Endpoint {
    format!("fifo:{}/x", folder.path().display()).parse().unwrap()
}

fn connect_options() -> ConnectOptions {
    ConnectOptions {
        source: "test-1".into(),
        named: false,
        session: 1,
        max_message_size: 1 << 20,
        encoding: Encoding::Cbor,
        mode: None,
        group: None,
        buffer: None,
        durable: false,
        shared: false,
        patience: None,
        pattern: "channel",
    }
}

fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
    let header = Header { body: body.len() as u64, ..Header::new(kind, Encoding::Raw) };
    [&header.to_bytes()[..], body].concat()
}

struct ForwardStream(Sender<Stream>);

impl HandshakeHandler for ForwardStream {
    fn check_user(&self, _who: Option<&Credentials>) -> Result<(), Error> {
        Ok(())
    }

    fn check_hello(&self, _hello: &Incoming) -> Result<(), Error> {
        Ok(())
    }

    fn answer(&self, handshake: IncomingHandshake) -> Result<HandshakeAnswer, Error> {
        let sender = self.0.clone();
        let admitted = Box::new(move || drop(sender.send(handshake.stream)));
        Ok(HandshakeAnswer { frame: frame(Kind::Hello, b"welcome"), descriptors: Vec::new(), admitted })
    }

    fn refusal(&self, error: &Error) -> Vec<u8> {
        frame(Kind::Error, error.text().as_bytes())
    }
}

fn serve(folder: &tempfile::TempDir) -> (ListenerRegistration, Receiver<Stream>) {
    let bound = BoundPipe::bind(&endpoint(folder), &connect_options(), true).unwrap();
    let (sender, receiver) = channel();
    (
        acceptor::open(acceptor::ListenSource::Hellos(Arc::new(bound)), Arc::new(ForwardStream(sender)))
            .unwrap(),
        receiver,
    )
}

fn connect(folder: &tempfile::TempDir) -> Stream {
    let place = Place::of(&endpoint(folder)).unwrap();
    loop {
        match ask(&place, &frame(Kind::Hello, b"hello")).unwrap().wait(&mut soon()).unwrap() {
            Call::Answered(called) => return called.stream,
            Call::NotListening => panic!("no process listens"),
            Call::Busy => {}
        }
    }
}

fn send(stream: &Stream, body: &[u8]) {
    let header = Header::new(Kind::Data, Encoding::Raw);
    StreamTx::new(stream.clone(), true).try_send(&Outgoing::new(header, body)).unwrap();
}

fn rest(stream: Stream) -> Vec<Vec<u8>> {
    let mut rx = StreamRx::new(stream, None, 1 << 20);
    let mut bodies = Vec::new();
    loop {
        match rx.try_recv() {
            Ok(Some(frame)) => bodies.push(frame.body.whole().to_vec()),
            Ok(None) if rx.park() => {}
            Ok(None) => {
                let on: Vec<_> = rx.descriptors().collect();
                wait_readable(&mut soon(), &on).unwrap();
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Disconnected, "{e}");
                return bodies;
            }
        }
    }
}

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let mut names: Vec<_> =
        folder.path().read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn bytes_of_dead_writers_reach_no_client() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let (_registration, admitted) = serve(&folder);
    // A line of a shell, half a hello, and a whole hello of a client that has died.
    let dead = super::hello::stamp(&frame(Kind::Hello, b"dead"), |h| h.sequence = 5).unwrap();
    let mut pipe = OpenOptions::new().write(true).open(&path).unwrap();
    pipe.write_all(b"{\"op\":\"x\"}\n").unwrap();
    pipe.write_all(&dead[..dead.len() / 2]).unwrap();
    pipe.write_all(&dead).unwrap();
    drop(pipe);
    let client = connect(&folder);
    send(&client, b"first");
    drop(client);
    // The dead client may have been admitted, in its own pipes. Its bytes never reach the living client's pipes.
    let mut bodies = Vec::new();
    while bodies.is_empty() {
        bodies = rest(admitted.recv_timeout(SOON).unwrap());
    }
    assert_eq!(bodies, [b"first"]);
}

#[test]
fn each_client_gets_unused_pipes() {
    let folder = tempfile::tempdir().unwrap();
    let (_registration, admitted) = serve(&folder);
    for i in 0..5u8 {
        let client = connect(&folder);
        send(&client, &[i; 3000]);
        let half = frame(Kind::Data, &[9; 2000]);
        client.write_bytes(&half[..1000]).unwrap();
        drop(client);
    }
    for i in 0..5u8 {
        assert_eq!(rest(admitted.recv_timeout(SOON).unwrap()), [vec![i; 3000]]);
    }
}

#[test]
fn name_has_one_client_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&endpoint(&folder)).unwrap();
    let hello = frame(Kind::Hello, b"hello");
    assert!(matches!(ask(&place, &hello).unwrap(), Call::NotListening));
    let (registration, admitted) = serve(&folder);
    let first = connect(&folder);
    assert!(has_client(&place).unwrap());
    let Err(error) = ask(&place, &hello) else { panic!("a second client was admitted") };
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    drop(first);
    assert!(!has_client(&place).unwrap());
    let second = connect(&folder);
    drop(registration);
    assert!(matches!(ask(&place, &hello).unwrap(), Call::NotListening));
    drop(admitted);
    assert_eq!(rest(second), [b""; 0]);
}

#[test]
fn lock_shows_the_end_of_a_peer_whose_pipes_stay_open() {
    let folder = tempfile::tempdir().unwrap();
    let (_registration, admitted) = serve(&folder);
    let client = connect(&folder);
    let server = admitted.recv_timeout(SOON).unwrap();
    let keep = |stream: &Stream| {
        let Stream::Other(pipes) = stream else { panic!() };
        let again = |fd: std::os::fd::BorrowedFd<'_>| {
            let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
        };
        [again(pipes.reader()), again(pipes.writer())]
    };
    let kept = keep(&client);
    send(&client, b"last words");
    assert!(!server.is_peer_gone());
    drop(client);
    assert!(server.is_peer_gone());
    assert_eq!(rest(server), [b"last words"]);
    drop(kept);
}

#[test]
fn wait_for_room_ends_when_the_peer_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (_registration, admitted) = serve(&folder);
    let client = connect(&folder);
    let server = admitted.recv_timeout(SOON).unwrap();
    while client.write_bytes(&[0; 5000]).unwrap().is_some() {}
    std::thread::scope(|s| {
        let waiting = s.spawn(|| {
            loop {
                if let Err(e) = client.wait_room(&mut soon()) {
                    return e;
                }
            }
        });
        drop(server);
        assert_eq!(waiting.join().unwrap().kind(), ErrorKind::Disconnected);
    });
    assert_eq!(client.check_peer().unwrap_err().kind(), ErrorKind::Disconnected);
    assert_eq!(client.write_bytes(b"x").unwrap_err().kind(), ErrorKind::Disconnected);
}

#[test]
fn files_of_a_killed_server_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&endpoint(&folder)).unwrap();
    for name in ["x", "x.reply", ".new.x", ".new.x.reply"] {
        make(&place, name, 0o600);
    }
    std::fs::write(folder.path().join(".owner.x"), "{\"keeps\":false}").unwrap();
    let (registration, admitted) = serve(&folder);
    drop((connect(&folder), admitted));
    drop(registration);
    assert_eq!(names(&folder), [".lock"]);
}

#[test]
fn existing_pipe_keeps_its_mode_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&endpoint(&folder)).unwrap();
    make(&place, "x", 0o620);
    for _ in 0..2 {
        let (registration, _admitted) = serve(&folder);
        let facts = folder.path().join("x").metadata().unwrap();
        assert_eq!(facts.permissions().mode() & 0o777, 0o620);
        drop(connect(&folder));
        drop(registration);
        let facts = folder.path().join("x").metadata().unwrap();
        assert!(facts.file_type().is_fifo() && facts.permissions().mode() & 0o777 == 0o620);
    }
}

#[test]
fn name_that_a_living_process_serves_is_served_at_each_look() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&endpoint(&folder)).unwrap();
    let (registration, _clients) = serve(&folder);
    for time in [Duration::ZERO, Duration::from_millis(20)] {
        assert!(bound_pipe::is_served(&place, time).unwrap(), "{time:?}");
    }
    drop(registration);
    assert!(!bound_pipe::is_served(&place, Duration::ZERO).unwrap());
}

#[test]
fn files_that_are_no_pipes_are_left_alone() {
    for name in ["x", "x.reply"] {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join(name);
        std::fs::write(&path, "precious").unwrap();
        let error = BoundPipe::bind(&endpoint(&folder), &connect_options(), true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
        assert!(error.text().contains("a regular file"), "{error}");
        let error = open_plain(&endpoint(&folder), &connect_options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
        sweep(&Place::of(&endpoint(&folder)).unwrap(), true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(names(&folder), [".lock", name]);
    }
}

#[test]
fn names_of_a_pair_match_while_pairs_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (_registration, admitted) = serve(&folder);
    // One client sends hellos as fast as it can without waiting. Each hello takes a pair that another client
    // may have just opened.
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|s| {
        let (done, folder) = (&done, &folder);
        let hasty = s.spawn(move || {
            let mut number = 1_000_000u64;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                number += 2;
                let hello =
                    super::hello::stamp(&frame(Kind::Hello, b"hasty"), |h| h.sequence = number).unwrap();
                let place = Place::of(&endpoint(folder)).unwrap();
                if let Some(pipe) = fifo::open(&place.directory, "x", PipeEnd::Write).unwrap() {
                    let both = fifo::again(&pipe, PipeEnd::Both).unwrap();
                    drop(both.map(|both| fifo::write(&both, &[std::io::IoSlice::new(&hello)])));
                }
                while admitted.try_recv().is_ok() {}
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        for _ in 0..100 {
            drop(connect(folder));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        hasty.join().unwrap();
    });
}

#[test]
fn plain_pipes_have_many_writers_and_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let stream = open_plain(&endpoint(&folder), &connect_options()).unwrap();
    assert_eq!(
        open_plain(&endpoint(&folder), &connect_options()).unwrap_err().kind(),
        ErrorKind::AddressInUse
    );
    let mut bytes = [0; 64];
    for i in 0..3 {
        OpenOptions::new().write(true).open(&path).unwrap().write_all(format!("{i}\n").as_bytes()).unwrap();
        let n = stream.read(&mut bytes).unwrap().unwrap();
        assert_eq!(&bytes[..n], format!("{i}\n").as_bytes());
        assert_eq!(stream.read(&mut bytes).unwrap(), None, "the end of one writer is no end of the stream");
    }
    let place = Place::of(&endpoint(&folder)).unwrap();
    let Call::Answered(other) = plain::connect(&place).unwrap() else { panic!("no process reads") };
    other.write_bytes(b"from a program").unwrap();
    assert_eq!(stream.read(&mut bytes).unwrap(), Some(14));
    stream.write_bytes(b"an answer").unwrap();
    assert_eq!(other.read(&mut bytes).unwrap(), Some(9));
    drop(stream);
    assert_eq!(other.read(&mut bytes).unwrap(), Some(0));
    assert!(matches!(plain::connect(&place).unwrap(), Call::NotListening));
    assert_eq!(names(&folder), [".lock"]);
    assert!(!lock::is_locked(&place.directory, "x").unwrap());
}

#[test]
fn client_that_reads_a_previous_clients_messages_takes_the_next_pair() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&endpoint(&folder)).unwrap();
    let bound = BoundPipe::bind(&endpoint(&folder), &connect_options(), true).unwrap();
    // A client that sends a hello, is admitted, and ends before the next pair has the names.
    let number = 7;
    let before = OpenOptions::new().write(true).open(place.path()).unwrap();
    let lives =
        lock::try_lock(&place.directory, &link_lock_name(&place, number, LinkSide::Client)).unwrap().unwrap();
    (&before)
        .write_all(&stamp(&frame(Kind::Hello, b"hello"), |header| header.sequence = number).unwrap())
        .unwrap();
    let newcomer = bound.next().unwrap();
    let theirs = newcomer.stream.as_ref().unwrap();
    drop((before, lives));
    for message in [frame(Kind::Reply, b"the answer to a request"), b"and what is no frame at all".repeat(5)]
    {
        assert_eq!(theirs.write(&[std::io::IoSlice::new(&message)]).unwrap(), Some(message.len()));
    }
    // Measured before the client starts, because the client may read as soon as its thread runs.
    let answers = fifo::open(&place.directory, &reply(&place.file), PipeEnd::Read).unwrap().unwrap();
    let length = || rustix::io::ioctl_fionread(&answers).unwrap();
    let all = length();
    std::thread::scope(|s| {
        let client = s.spawn(|| connect(&folder));
        let deadline = Deadline::after(SOON);
        while length() == all {
            assert!(!deadline.has_passed(), "the client did not read from the pipe");
            std::thread::yield_now();
        }
        bound.answer(&newcomer, &frame(Kind::Hello, b"welcome"));
        let next = loop {
            assert!(!deadline.has_passed(), "the client sent no hello in the next pair");
            match bound.next() {
                Some(next) => break next,
                None => std::thread::yield_now(),
            }
        };
        assert!(bound.answer(&next, &frame(Kind::Hello, b"welcome")));
        let stream = client.join().unwrap();
        let ours = next.stream.unwrap();
        send(&ours, b"for this one");
        drop(ours);
        assert_eq!(rest(stream), [b"for this one"]);
    });
}

#[test]
fn reply_that_is_no_hello_is_malformed() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&endpoint(&folder)).unwrap();
    let bound = BoundPipe::bind(&endpoint(&folder), &connect_options(), true).unwrap();
    let answers = fifo::open(&place.directory, &reply(&place.file), PipeEnd::Both).unwrap().unwrap();
    fifo::write(&answers, &[std::io::IoSlice::new(&b"I am no server of this kind. ".repeat(5))]).unwrap();
    let hello = frame(Kind::Hello, b"hello");
    for (mut waiting, kind) in [(soon(), ErrorKind::Malformed), (Waiting::at_once(), ErrorKind::Stalled)] {
        let error = ask(&place, &hello).unwrap().wait(&mut waiting).err().unwrap();
        assert_eq!(error.kind(), kind, "{error}");
    }
    drop(bound);
}
