//! What pipes do that no other stream does: they keep the bytes of the dead, and say of nobody whether he lives.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::call::call;
use super::claim::Claim;
use super::hello::stamp;
use super::liveness::{Side, has_client, link_lock_name};
use super::pair::{reply, sweep};
use super::plain::{self, open_plain};
use crate::codec::Encoding;
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::sys::fifo::{self, End};
use crate::sys::lock;
use crate::sys::peer::Credentials;
use crate::sys::poll::wait_readable;
use crate::transport::acceptor::{self, Answer, HandshakeHandler, IncomingHandshake, ListenerRegistration};
use crate::transport::authentication::HelloSource;
use crate::transport::connectionless::ConnectOptions;
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::Call;
use crate::transport::place::Place;
use crate::transport::socket::{StreamRx, StreamTx};
use crate::transport::stream::Stream;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Only guards against a hang.
const SOON: Duration = Duration::from_secs(20);

/// A pipe that somebody else has made.
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
        pattern: "channel",
    }
}

fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
    let header = Header { body: body.len() as u64, ..Header::new(kind, Encoding::Raw) };
    [&header.to_bytes()[..], body].concat()
}

/// Lets everybody in, and hands over who it was.
struct Open(Sender<Stream>);

impl HandshakeHandler for Open {
    fn check_user(&self, _who: Option<&Credentials>) -> Result<(), Error> {
        Ok(())
    }

    fn check_hello(&self, _hello: &Incoming) -> Result<(), Error> {
        Ok(())
    }

    fn answer(&self, handshake: IncomingHandshake) -> Result<Answer, Error> {
        let sender = self.0.clone();
        let admitted = Box::new(move || drop(sender.send(handshake.stream)));
        Ok(Answer { frame: frame(Kind::Hello, b"welcome"), descriptors: Vec::new(), admitted })
    }

    fn refusal(&self, error: &Error) -> Vec<u8> {
        frame(Kind::Error, error.text().as_bytes())
    }
}

/// A server in the acceptor, and whoever it let in.
fn serve(folder: &tempfile::TempDir) -> (ListenerRegistration, Receiver<Stream>) {
    let claim = Claim::take(&endpoint(folder), &connect_options(), true).unwrap();
    let (sender, receiver) = channel();
    (
        acceptor::open(acceptor::ListenSource::Hellos(Arc::new(claim)), Arc::new(Open(sender))).unwrap(),
        receiver,
    )
}

fn connect(folder: &tempfile::TempDir) -> Stream {
    let place = Place::of(&endpoint(folder)).unwrap();
    loop {
        match call(&place, &frame(Kind::Hello, b"hello"), &mut soon()).unwrap() {
            Call::Answered(called) => return called.stream,
            Call::NotListening => panic!("nobody is there"),
            Call::Busy => {}
        }
    }
}

fn send(stream: &Stream, body: &[u8]) {
    let header = Header::new(Kind::Data, Encoding::Raw);
    StreamTx::new(stream.clone(), true).try_send(&Outgoing::new(header, body)).unwrap();
}

/// The bodies that come until the link has ended.
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
fn what_the_dead_left_in_a_pipe_reaches_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let (_berth, admitted) = serve(&folder);
    // A whole hello of one who died behind it, half of another's, and what a shell wrote by mistake.
    let dead = super::hello::stamp(&frame(Kind::Hello, b"dead"), |h| h.sequence = 5).unwrap();
    let mut pipe = OpenOptions::new().write(true).open(&path).unwrap();
    pipe.write_all(b"{\"op\":\"x\"}\n").unwrap();
    pipe.write_all(&dead[..dead.len() / 2]).unwrap();
    pipe.write_all(&dead).unwrap();
    drop(pipe);
    let client = connect(&folder);
    send(&client, b"first");
    drop(client);
    // The dead one was let in, or not, in a pipe of its own; the living one's has nothing of it.
    let mut bodies = Vec::new();
    while bodies.is_empty() {
        bodies = rest(admitted.recv_timeout(SOON).unwrap());
    }
    assert_eq!(bodies, [b"first"]);
}

#[test]
fn each_client_has_pipes_that_nobody_had_before() {
    let folder = tempfile::tempdir().unwrap();
    let (_berth, admitted) = serve(&folder);
    for i in 0..5u8 {
        let client = connect(&folder);
        send(&client, &[i; 3000]);
        // Half a frame, and its writer is gone.
        let half = frame(Kind::Data, &[9; 2000]);
        client.write_bytes(&half[..1000]).unwrap();
        drop(client);
    }
    for i in 0..5u8 {
        assert_eq!(rest(admitted.recv_timeout(SOON).unwrap()), [vec![i; 3000]]);
    }
}

#[test]
fn a_name_has_one_client_and_then_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&endpoint(&folder)).unwrap();
    let hello = frame(Kind::Hello, b"hello");
    assert!(matches!(call(&place, &hello, &mut soon()).unwrap(), Call::NotListening));
    let (registration, admitted) = serve(&folder);
    let first = connect(&folder);
    assert!(has_client(&place).unwrap());
    let Err(error) = call(&place, &hello, &mut soon()) else { panic!("a second client was let in") };
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    drop(first);
    assert!(!has_client(&place).unwrap());
    let second = connect(&folder);
    drop(registration);
    assert!(matches!(call(&place, &hello, &mut soon()).unwrap(), Call::NotListening));
    drop(admitted);
    assert_eq!(rest(second), [b""; 0]);
}

#[test]
fn the_lock_says_who_lives_whoever_keeps_the_pipe_open() {
    let folder = tempfile::tempdir().unwrap();
    let (_berth, admitted) = serve(&folder);
    let client = connect(&folder);
    let server = admitted.recv_timeout(SOON).unwrap();
    // Somebody has both pipes open, and keeps them.
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
fn a_side_that_waits_for_room_learns_that_nobody_will_make_any() {
    let folder = tempfile::tempdir().unwrap();
    let (_berth, admitted) = serve(&folder);
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
fn what_a_killed_server_left_is_taken_over() {
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
fn a_pipe_that_was_made_ready_says_who_may_use_it_and_stays() {
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
fn what_is_no_pipe_is_left_alone() {
    for name in ["x", "x.reply"] {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join(name);
        std::fs::write(&path, "precious").unwrap();
        let error = Claim::take(&endpoint(&folder), &connect_options(), true).unwrap_err();
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
fn the_names_belong_together_however_often_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let (_berth, admitted) = serve(&folder);
    // One says hello as fast as it can and waits for no answer: each takes a pair away from whoever has just opened it.
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
                if let Some(pipe) = fifo::open(&place.directory, "x", End::Write).unwrap() {
                    let both = fifo::again(&pipe, End::Both).unwrap();
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
        assert_eq!(stream.read(&mut bytes).unwrap(), None, "a writer that goes is no end");
    }
    let place = Place::of(&endpoint(&folder)).unwrap();
    let Call::Answered(other) = plain::connect(&place).unwrap() else { panic!("nobody reads") };
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
fn client_that_reads_what_was_for_the_one_before_it_takes_the_next_pair() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&endpoint(&folder)).unwrap();
    let claim = Claim::take(&endpoint(&folder), &connect_options(), true).unwrap();
    // One that says hello, is let in, and has gone before the next pair has the names.
    let number = 7;
    let before = OpenOptions::new().write(true).open(place.path()).unwrap();
    let lives =
        lock::try_lock(&place.directory, &link_lock_name(&place, number, Side::Client)).unwrap().unwrap();
    (&before)
        .write_all(&stamp(&frame(Kind::Hello, b"hello"), |header| header.sequence = number).unwrap())
        .unwrap();
    let newcomer = claim.next().unwrap();
    let theirs = newcomer.stream.as_ref().unwrap();
    drop((before, lives));
    for said in [frame(Kind::Reply, b"the answer to a request"), b"and what is no frame at all".repeat(5)] {
        assert_eq!(theirs.write(&[std::io::IoSlice::new(&said)]).unwrap(), Some(said.len()));
    }
    // Asked before the client begins: it may have read by the time that its thread is known to run.
    let answers = fifo::open(&place.directory, &reply(&place.file), End::Read).unwrap().unwrap();
    let length = || rustix::io::ioctl_fionread(&answers).unwrap();
    let all = length();
    std::thread::scope(|s| {
        let client = s.spawn(|| connect(&folder));
        // It has read some of that.
        let deadline = Deadline::after(SOON);
        while length() == all {
            assert!(!deadline.has_passed(), "the client reads what lies in the pipe");
            std::thread::yield_now();
        }
        claim.answer(&newcomer, &frame(Kind::Hello, b"welcome"));
        let next = loop {
            assert!(!deadline.has_passed(), "the client says hello in the next pair");
            match claim.next() {
                Some(next) => break next,
                None => std::thread::yield_now(),
            }
        };
        assert!(claim.answer(&next, &frame(Kind::Hello, b"welcome")));
        let stream = client.join().unwrap();
        let ours = next.stream.unwrap();
        send(&ours, b"for this one");
        drop(ours);
        assert_eq!(rest(stream), [b"for this one"]);
    });
}

#[test]
fn server_that_answers_no_hello_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&endpoint(&folder)).unwrap();
    let claim = Claim::take(&endpoint(&folder), &connect_options(), true).unwrap();
    let answers = fifo::open(&place.directory, &reply(&place.file), End::Both).unwrap().unwrap();
    fifo::write(&answers, &[std::io::IoSlice::new(&b"I am no server of this kind. ".repeat(5))]).unwrap();
    let hello = frame(Kind::Hello, b"hello");
    for mut waiting in [soon(), Waiting::at_once()] {
        let error = call(&place, &hello, &mut waiting).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }
    drop(claim);
}
