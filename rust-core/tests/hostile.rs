//! Peers that do not keep the rules: each gets its error, and the others go on as if nothing had happened.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use linkspan::codec::{decode, encode};
use linkspan::frame::{HEADER, Header, Kind};
use linkspan::{Channel, Encoding, ErrorKind, Listener, Options, Server, Subscriber, Value};

use crate::support::hellos::{frame, hello, hello_map};
use crate::support::{self, alone::alone};
use crate::support::{SOON, name};

/// A connection of a program without Linkspan.
trait Connection: Read + Write {
    fn end_of_words(&self);
}

impl Connection for UnixStream {
    fn end_of_words(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Connection for TcpStream {
    fn end_of_words(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

/// A connection to an endpoint; over TCP the token is proven already.
fn raw(endpoint: &str) -> Box<dyn Connection> {
    if let Some(address) = endpoint.strip_prefix("tcp://") {
        let stream = support::proven(address.parse().unwrap());
        stream.set_read_timeout(Some(SOON)).unwrap();
        return Box::new(stream);
    }
    let (transport, name) = endpoint.split_once(':').unwrap();
    let file = format!("{}.{transport}", name.replace('/', "@"));
    let stream =
        UnixStream::connect(std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(file))
            .unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    Box::new(stream)
}

/// Returns the bytes received until the other side closes.
fn answer(stream: &mut Box<dyn Connection>) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // It closed without reading everything.
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
        read => drop(read.unwrap()),
    }
    bytes
}

/// The kind that a refusal carries.
fn refusal(bytes: &[u8]) -> ErrorKind {
    let header = Header::from_bytes(bytes[..HEADER].try_into().unwrap()).unwrap();
    assert_eq!(header.kind, Kind::Error);
    let value = decode(&bytes[header.body_offset()..], Encoding::Cbor).unwrap();
    assert!(!value.at("text").unwrap().as_text().unwrap().is_empty());
    ErrorKind::from_code(value.at("code").unwrap().as_u64().unwrap() as u16).unwrap()
}

/// Closes a server however the test ends, so that the thread that runs it does, too.
struct Closing<'a>(&'a Server);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close(SOON).unwrap();
    }
}

/// A server that echoes, and a client of it that must not notice anything.
fn beside_a_good_client(transport: &str, hostile: impl FnOnce(&str, &Server)) {
    let endpoint = name(transport);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let _closing = Closing(&server);
        let good = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let check =
            |i: i64| assert_eq!(good.call(&Value::Int(i), SOON).unwrap().value().unwrap(), &Value::Int(i));
        check(1);
        hostile(&endpoint, &server);
        check(2);
        let kinds: Vec<_> = good.events().iter().map(|e| e.kind.name()).collect();
        assert_eq!(kinds, ["connected"], "the good client was not thrown out");
    });
}

fn first_words(transport: &str) {
    beside_a_good_client(transport, |endpoint, _| {
        let good = hello(hello_map());
        let mut wrong_magic = good.clone();
        wrong_magic[0] = b'X';
        let mut wrong_version = good.clone();
        wrong_version[4] = 99;
        let mut wrong_check = good.clone();
        wrong_check[30] ^= 1;
        let too_long = frame(Kind::Hello, &vec![0; 100_000]);
        let not_a_hello = frame(Kind::Data, b"\x01");
        let mut repeated = encode(&Value::Map(hello_map()), Encoding::Cbor).unwrap();
        repeated[0] += 1;
        repeated.extend_from_slice(b"\x63pid\x01");
        let spoilt = |key: &str, value: Value| {
            let mut map = hello_map();
            map.insert(key.to_owned(), value);
            hello(map)
        };
        let mut short = hello_map();
        short.shift_remove("session");
        for (what, bytes, kind) in [
            (
                "garbage",
                b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nthat is no hello, whoever asks".to_vec(),
                ErrorKind::Malformed,
            ),
            ("wrong magic", wrong_magic, ErrorKind::Malformed),
            ("wrong version", wrong_version, ErrorKind::VersionMismatch),
            ("wrong check sum", wrong_check, ErrorKind::Malformed),
            ("too long", too_long, ErrorKind::Malformed),
            ("not a hello", not_a_hello, ErrorKind::Malformed),
            ("not CBOR", frame(Kind::Hello, b"\xff"), ErrorKind::Malformed),
            ("repeated key", frame(Kind::Hello, &repeated), ErrorKind::Malformed),
            ("missing key", hello(short), ErrorKind::Missing),
            ("wrong type", spoilt("pid", "one".into()), ErrorKind::WrongType),
            ("other versions", spoilt("versions", vec![7i64, 9].into()), ErrorKind::VersionMismatch),
            ("wrong pattern", spoilt("pattern", "publish".into()), ErrorKind::InvalidState),
        ] {
            let mut stream = raw(endpoint);
            stream.write_all(&bytes).unwrap();
            assert_eq!(refusal(&answer(&mut stream)), kind, "{what}");
        }
        // Half a hello, then a close; and a connection that sends nothing and stays open.
        raw(endpoint).write_all(&good[..70]).unwrap();
        let _silent = raw(endpoint);
    });
}

#[test]
fn first_words_to_shm() {
    first_words("shm");
    beside_a_good_client("shm", |endpoint, _| {
        let mut stream = raw(endpoint);
        stream.write_all(&hello(hello_map())).unwrap();
        assert_eq!(refusal(&answer(&mut stream)), ErrorKind::Malformed, "no descriptors came along");
    });
}

#[test]
fn first_words_to_unix() {
    first_words("unix");
}

#[test]
fn first_words_to_tcp() {
    first_words("tcp");
    // Without the proof, a hello is none, and neither is half a proof.
    beside_a_good_client("tcp", |endpoint, _| {
        let bare = || {
            let stream = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            let stream: Box<dyn Connection> = Box::new(stream);
            stream
        };
        let mut stream = bare();
        stream.write_all(&hello(hello_map())).unwrap();
        assert_eq!(refusal(&answer(&mut stream)), ErrorKind::PermissionDenied, "no proof");
        let said = |body: &[u8]| {
            let header = Header { body: body.len() as u64, ..Header::new(Kind::Hello, Encoding::Raw) };
            [&header.to_bytes()[..], body].concat()
        };
        let mut stream = bare();
        stream.write_all(&said(&[1; 32])).unwrap();
        stream.read_exact(&mut [0; HEADER + 64]).unwrap();
        stream.write_all(&said(&[2; 32])).unwrap();
        assert_eq!(refusal(&answer(&mut stream)), ErrorKind::PermissionDenied, "a wrong proof");
        let mut stream = bare();
        stream.write_all(&said(&[1; 31])).unwrap();
        assert_eq!(refusal(&answer(&mut stream)), ErrorKind::PermissionDenied, "half a question");
        let _silent = bare();
    });
}

/// Returns a connection that sent a valid hello and was answered.
fn admitted(endpoint: &str) -> Box<dyn Connection> {
    let mut stream = raw(endpoint);
    stream.write_all(&hello(hello_map())).unwrap();
    support::read_hello(&mut stream);
    stream
}

fn frames_that_are_none(transport: &str) {
    beside_a_good_client(transport, |endpoint, server| {
        let mut wrong_check = frame(Kind::Request, b"\x01");
        wrong_check[20] ^= 4;
        for bytes in [vec![0xaa; 200], wrong_check, frame(Kind::Request, b"")[..40].to_vec()] {
            let mut stream = admitted(endpoint);
            stream.write_all(&bytes).unwrap();
            stream.end_of_words();
            assert!(answer(&mut stream).is_empty(), "the connection was ended");
        }
        let told = server.events();
        assert!(
            told.iter().any(|e| e.text.contains("begins with LKSP") && e.text.contains("at byte 0")),
            "{told:?}"
        );
        assert!(
            told.iter().any(|e| e.text.contains("check sum") && e.text.contains("at byte 12")),
            "{told:?}"
        );
        assert!(told.iter().any(|e| e.text.contains("in the middle of a message")), "{told:?}");
    });
}

#[test]
fn frames_that_are_none_over_unix() {
    frames_that_are_none("unix");
}

#[test]
fn frames_that_are_none_over_tcp() {
    frames_that_are_none("tcp");
    // Bodies carry a checksum here: one that does not fit was damaged on the way.
    beside_a_good_client("tcp", |endpoint, server| {
        let mut stream = admitted(endpoint);
        let header = Header {
            body: 1,
            sequence: 1,
            flags: linkspan::frame::flags::BODY_CHECKED,
            body_check: 7,
            ..Header::new(Kind::Request, Encoding::Cbor)
        };
        stream.write_all(&[&header.to_bytes()[..], b"\x01"].concat()).unwrap();
        assert!(answer(&mut stream).is_empty(), "the connection was ended");
        let told = server.events();
        assert!(told.iter().any(|e| e.text.contains("does not give its check sum")), "{told:?}");
    });
}

fn a_claimed_length_is_not_believed(transport: &str) {
    beside_a_good_client(transport, |endpoint, server| {
        let before = resident();
        let mut stream = admitted(endpoint);
        let header = Header { body: 1 << 50, sequence: 1, ..Header::new(Kind::Request, Encoding::Cbor) };
        stream.write_all(&header.to_bytes()).unwrap();
        stream.write_all(&vec![0; 1 << 20]).unwrap();
        while server.stats().at("dropped").unwrap().as_u64().unwrap() == 0 {
            thread::yield_now();
        }
        assert!(resident() < before + (64 << 20), "memory was reserved for a claim");
    });
}

#[test]
fn claimed_length_is_not_trusted_over_unix() {
    alone!(claimed_length_is_not_trusted_over_unix);
    a_claimed_length_is_not_believed("unix");
}

#[test]
fn claimed_length_is_not_trusted_over_tcp() {
    alone!(claimed_length_is_not_trusted_over_tcp);
    a_claimed_length_is_not_believed("tcp");
}

/// Bytes of memory in use by this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn bodies_that_are_no_values_over_unix() {
    bodies_that_are_no_values("unix");
}

#[test]
fn bodies_that_are_no_values_over_tcp() {
    bodies_that_are_no_values("tcp");
}

fn bodies_that_are_no_values(transport: &str) {
    beside_a_good_client(transport, |endpoint, _| {
        let mut stream = admitted(endpoint);
        let deep = [vec![0x81; 100], vec![0xf6]].concat();
        for (i, (body, kind, offset)) in [
            (&b"\xa2\x61a\x01\x61a\x02"[..], "Malformed", Some(4)),
            (b"\x82\x01", "Malformed", Some(0)),
            (b"\x01\x01", "Malformed", Some(1)),
            (b"\x62\xc3\x28", "Malformed", None),
            (&deep, "TooLarge", Some(64)),
        ]
        .into_iter()
        .enumerate()
        {
            let header = Header {
                body: body.len() as u64,
                sequence: i as u64 + 1,
                ..Header::new(Kind::Request, Encoding::Cbor)
            };
            stream.write_all(&[&header.to_bytes()[..], body].concat()).unwrap();
            let mut head = [0; HEADER];
            stream.read_exact(&mut head).unwrap();
            let header = Header::from_bytes(&head).unwrap();
            assert_eq!((header.kind, header.correlation), (Kind::Error, i as u64 + 1));
            let mut answer = vec![0; header.body as usize];
            stream.read_exact(&mut answer).unwrap();
            let failure = decode(&answer, Encoding::Cbor).unwrap();
            assert_eq!(failure.at("type").unwrap().as_text().unwrap(), kind);
            if let Some(offset) = offset {
                let text = failure.at("text").unwrap().as_text().unwrap();
                assert!(text.contains(&format!("at byte {offset}")), "{text}");
            }
        }
    });
}

#[test]
fn hostile_publisher_is_refused() {
    // Elsewhere a test that lists names sweeps a socket without a lock that hangs up on it.
    alone!(hostile_publisher_is_refused);
    let endpoint = name("unix");
    let file = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap())
        .join(endpoint.split_once(':').unwrap().1.replace('/', "@") + ".unix");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&file).unwrap();
    thread::scope(|s| {
        s.spawn(|| {
            // A subscriber connects when it is made, and again when it receives.
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                // One that hangs up before it was spoken to is only called again.
                stream.read_exact(&mut [0; HEADER]).unwrap();
                stream
                    .write_all(b"I am no publisher, and sixty-four bytes are quickly said, aren't they?")
                    .unwrap();
            }
        });
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        let error = subscriber.recv(SOON).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Malformed, Some(0)), "{error}");
    });
    std::fs::remove_file(file).unwrap();
}

#[test]
fn silent_publisher_is_called_once_in_an_expired_wait() {
    alone!(silent_publisher_is_called_once_in_an_expired_wait);
    let endpoint = name("unix");
    let file = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap())
        .join(endpoint.split_once(':').unwrap().1.replace('/', "@") + ".unix");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&file).unwrap();
    listener.set_nonblocking(true).unwrap();
    let called = || std::iter::from_fn(|| listener.accept().ok()).count();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(called(), 1);
    let error = subscriber.recv(Duration::from_millis(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stalled, "{error}");
    assert_eq!(called(), 1);
    std::fs::remove_file(file).unwrap();
}

/// Opens both pipes of a name, as a program does that has the paths and holds no lock; newer ones than these.
fn pipes(endpoint: &str, than: Option<&std::fs::File>) -> (std::fs::File, std::fs::File) {
    use std::os::unix::fs::MetadataExt;
    let file = endpoint.split_once(':').unwrap().1.replace('/', "@") + ".fifo";
    let path = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(file);
    let reply = path.with_extension("fifo.reply");
    let number = |file: &std::fs::File| file.metadata().unwrap().ino();
    // An answer is written before the next pair has its names, and of a pair one pipe has its name before the other.
    loop {
        let requests = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let answers = std::fs::OpenOptions::new().read(true).write(true).open(&reply).unwrap();
        let is = |file: &std::fs::File, path| number(file) == std::fs::metadata(path).unwrap().ino();
        let is_later = than.is_none_or(|than| number(than) != number(&requests));
        if is_later && is(&answers, &reply) && is(&requests, &path) {
            return (requests, answers);
        }
    }
}

/// Returns a hello as it is sent through a pipe: with a number, and the checksum of its body.
fn numbered(body: &[u8], number: u64) -> Vec<u8> {
    let header = Header {
        body: body.len() as u64,
        sequence: number,
        flags: linkspan::frame::flags::BODY_CHECKED,
        body_check: crc32c::crc32c(body),
        ..Header::new(Kind::Hello, Encoding::Cbor)
    };
    [&header.to_bytes()[..], body].concat()
}

/// Holds the lock that a client holds whose hello has this number, as long as the file is open.
fn hold(endpoint: &str, number: u64) -> std::fs::File {
    let file = endpoint.split_once(':').unwrap().1.replace('/', "@");
    let name = format!("{file}.fifo#client#{number:016x}");
    let hash =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let path = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(".lock");
    let lock = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let what = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: (hash >> 2) as i64,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and the structure lives through the call.
    let done = unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&lock), libc::F_OFD_SETLK, &what) };
    assert_eq!(done, 0);
    lock
}

/// Returns the next frame.
fn next_frame(pipe: &mut std::fs::File) -> (Header, Vec<u8>) {
    let mut head = [0; HEADER];
    pipe.read_exact(&mut head).unwrap();
    let header = Header::from_bytes(&head).unwrap();
    let mut body = vec![0; header.body as usize];
    pipe.read_exact(&mut body).unwrap();
    (header, [&head[..], &body].concat())
}

#[test]
fn first_words_into_a_pipe() {
    beside_a_good_client("fifo", |endpoint, server| {
        let good = encode(&Value::Map(hello_map()), Encoding::Cbor).unwrap();
        // Bytes that are no hello get no answer, and hide none that follows: their sender is unknown.
        let mut damaged = numbered(&good, 3);
        *damaged.last_mut().unwrap() ^= 1;
        let (mut requests, _unread) = pipes(endpoint, None);
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &vec![0xaa; 300_000],
            &numbered(&good, 3)[..70],
            &damaged,
            &hello(hello_map()),
            &frame(Kind::Hello, &vec![0; 100_000]),
            &b"LKSP".repeat(1000),
        ] {
            requests.write_all(bytes).unwrap();
        }
        let mut short = hello_map();
        short.shift_remove("session");
        let short = encode(&Value::Map(short), Encoding::Cbor).unwrap();
        // The lock of this number is free, so its sender is dead.
        requests.write_all(&numbered(&good, 3)).unwrap();
        for (number, body, kind) in [
            (5, &short[..], ErrorKind::Missing),
            (7, b"\xff", ErrorKind::Malformed),
            (9, b"\x01", ErrorKind::WrongType),
        ] {
            let (next, mut answers) = pipes(endpoint, Some(&requests));
            requests = next;
            let _lives = hold(endpoint, number);
            requests.write_all(&numbered(body, number)).unwrap();
            let (header, bytes) = next_frame(&mut answers);
            assert_eq!((header.correlation, refusal(&bytes)), (number, kind));
        }
        // A client that is admitted, and then sends invalid bytes; the other client continues beside it.
        let (mut requests, mut answers) = pipes(endpoint, Some(&requests));
        let _lives = hold(endpoint, 11);
        requests.write_all(&numbered(&good, 11)).unwrap();
        assert_eq!(next_frame(&mut answers).0.correlation, 11);
        requests.write_all(&[0xaa; 200]).unwrap();
        let mut told = server.events();
        while !told.iter().any(|e| e.text.contains("begins with LKSP")) {
            thread::yield_now();
            told.extend(server.events());
        }
    });
}

/// Sends bytes over a Unix socket with descriptors.
fn send_with(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> rustix::io::Result<usize> {
    let mut space = vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut ancillary = rustix::net::SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(descriptors)));
    let flags = rustix::net::SendFlags::NOSIGNAL;
    rustix::net::sendmsg(stream, &[std::io::IoSlice::new(bytes)], &mut ancillary, flags)
}

/// A socket whose close takes an hour where it is the last of it; here it never is.
struct Lingering(Option<TcpStream>);

impl Lingering {
    /// One, and its other end, which is not to be read.
    fn new() -> (Lingering, TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        while socket.write(&[7; 65_536]).is_ok() {}
        rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::from_secs(3_600))).unwrap();
        (Lingering(Some(socket)), other)
    }

    /// Sends it and closes it here: the receiver is the last to close it. If the kernel refuses it for the receiver,
    /// all the better.
    fn send(mut self, stream: &UnixStream, bytes: &[u8]) {
        use rustix::io::Errno;
        let sent = send_with(stream, bytes, &[self.0.as_ref().unwrap().as_fd()]);
        assert!(matches!(sent, Ok(_) | Err(Errno::PERM | Errno::PIPE | Errno::CONNRESET)), "{sent:?}");
        if sent.is_ok() {
            self.0.take();
        }
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            rustix::net::sockopt::set_socket_linger(socket, None).unwrap();
        }
    }
}

/// A name in a directory that every user may list, whose listener admits only this process's user and `allowed`.
struct Shared {
    endpoint: String,
    path: std::path::PathBuf,
    options: Options,
}

impl Shared {
    fn new(transport: &str, allowed: &[i64]) -> Shared {
        let endpoint = name(transport);
        let folder = std::path::PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut options = Options::default();
        options.set("mode", &Value::Int(0o666)).unwrap();
        options.set("allow_uids", &[&[0i64][..], allowed].concat().into()).unwrap();
        let file = endpoint.split_once(':').unwrap().1.replace('/', "@");
        Shared { path: folder.join(format!("{file}.{transport}")), endpoint, options }
    }

    /// Opens a connection to it that sends nothing.
    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    /// Runs a server that echoes, with clients of this process's user before and after a hostile action.
    fn beside_good_clients(&self, hostile: impl FnOnce()) {
        let server = Server::serve(&self.endpoint, &self.options).unwrap();
        thread::scope(|s| {
            s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
            let _closing = Closing(&server);
            let first = Channel::connect(&self.endpoint, &Options::default(), SOON).unwrap();
            first.call(&Value::Int(1), SOON).unwrap();
            hostile();
            first.call(&Value::Int(2), SOON).unwrap();
            let second = Channel::connect(&self.endpoint, &Options::default(), SOON).unwrap();
            second.call(&Value::Int(3), SOON).unwrap();
        });
    }
}

const NOBODY: u32 = 65_534;

fn descriptors_that_linger_from_a_refused_user(transport: &str) {
    let shared = Shared::new(transport, &[]);
    let others: Vec<_> = (0..6).map(|_| Lingering::new()).collect();
    let (given, _unread): (Vec<_>, Vec<_>) = others.into_iter().unzip();
    shared.beside_good_clients(|| {
        support::as_user(NOBODY, NOBODY, || {
            for (i, given) in given.into_iter().enumerate() {
                let stream = shared.connect();
                // A whole hello, and half of one.
                let said = &hello(hello_map())[..if i % 2 == 0 { 100 } else { 40 }];
                given.send(&stream, said);
            }
        });
    });
}

#[test]
fn refused_user_whose_descriptors_linger_blocks_no_peer_over_shm() {
    descriptors_that_linger_from_a_refused_user("shm");
}

#[test]
fn refused_user_whose_descriptors_linger_blocks_no_peer_over_unix() {
    descriptors_that_linger_from_a_refused_user("unix");
}

#[test]
fn refused_user_gets_the_error_before_it_sends_anything() {
    for transport in ["shm", "unix"] {
        let shared = Shared::new(transport, &[]);
        shared.beside_good_clients(|| {
            let stream = support::as_user(NOBODY, NOBODY, || shared.connect());
            let mut stream: Box<dyn Connection> = Box::new(stream);
            assert_eq!(refusal(&answer(&mut stream)), ErrorKind::PermissionDenied);
            let refused = support::as_user(NOBODY, NOBODY, || {
                Channel::connect(&shared.endpoint, &Options::default(), SOON).err().unwrap()
            });
            assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused}");
            assert!(refused.text().contains("not on the listener's list"), "{refused}");
        });
    }
}

#[test]
fn unexpected_descriptors_with_a_hello_are_malformed_and_closed() {
    let shared = Shared::new("shm", &[]);
    shared.beside_good_clients(|| {
        let (reader, pipe) = std::io::pipe().unwrap();
        for (what, count) in [("a pipe", 1), ("as many as the kernel takes", 253)] {
            let stream = shared.connect();
            let said = hello(hello_map());
            assert_eq!(send_with(&stream, &said, &vec![pipe.as_fd(); count]), Ok(said.len()));
            let mut stream: Box<dyn Connection> = Box::new(stream);
            assert_eq!(refusal(&answer(&mut stream)), ErrorKind::Malformed, "{what}");
        }
        drop(pipe);
        assert!(support::readable(reader.as_raw_fd(), 20), "somebody still holds what was sent");
    });
}

/// Returns whether the other side of a connection has closed it.
fn is_hung_up(connection: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(connection, PollFlags::RDHUP)];
    poll(&mut fds, Some(&Timespec::default())).unwrap();
    fds[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
}

#[test]
fn lingering_descriptors_of_an_admitted_connection_block_no_peer() {
    let endpoint = name("unix");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let file = endpoint.split_once(':').unwrap().1.replace('/', "@") + ".unix";
    let path = std::path::Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(file);
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let _closing = Closing(&server);
        let mut kept = Vec::new();
        for _ in 0..3 {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream.write_all(&hello(hello_map())).unwrap();
            stream.read_exact(&mut [0; HEADER]).unwrap();
            let (given, unread) = Lingering::new();
            // Half a frame, and the descriptor closed here.
            given.send(&stream, &frame(Kind::Request, b"")[..40]);
            kept.push((stream, unread));
        }
        let good = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        good.call(&Value::Int(1), SOON).unwrap();
        drop(kept);
        good.call(&Value::Int(2), SOON).unwrap();
    });
}

#[test]
fn hostile_listener_with_descriptors_that_linger_stops_no_caller() {
    alone!(hostile_listener_with_descriptors_that_linger_stops_no_caller);
    for transport in ["shm", "unix"] {
        let shared = Shared::new(transport, &[]);
        let listener = std::os::unix::net::UnixListener::bind(&shared.path).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let endpoint = shared.endpoint.clone();
        // Detached: where the caller hangs, it hangs for an hour.
        thread::spawn(move || {
            let refused = Channel::connect(&endpoint, &Options::default(), Duration::from_millis(300)).err();
            let _ = tell.send(refused.unwrap().kind());
        });
        let (given, _unread) = Lingering::new();
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; HEADER]).unwrap();
        given.send(&stream, &hello(hello_map()));
        drop((stream, listener));
        let kind = told.recv_timeout(SOON).expect("the caller goes on");
        assert!(
            matches!(kind, ErrorKind::Malformed | ErrorKind::NotFound | ErrorKind::Stalled),
            "{transport}: {kind:?}"
        );
    }
}

/// Options with a client's name.
fn called(client_id: &str) -> Options {
    let mut options = Options::default();
    options.set("client_id", &client_id.into()).unwrap();
    options
}

#[test]
fn client_id_of_another_user_gets_nothing_of_its_owner() {
    for transport in ["shm", "unix"] {
        let shared = Shared::new(transport, &[i64::from(NOBODY)]);
        let listener = Listener::listen(&shared.endpoint, &shared.options).unwrap();
        let panel = called("panel");
        let own = Channel::connect(&shared.endpoint, &panel, SOON).unwrap();
        let to_own = listener.accept(SOON).unwrap();
        to_own.send(&Value::from("for panel alone"), SOON).unwrap();
        drop(own);
        assert_eq!(to_own.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
        drop(to_own);
        support::as_user(NOBODY, NOBODY, || {
            let other = Channel::connect(&shared.endpoint, &panel, SOON).unwrap();
            let to_other = listener.accept(SOON).unwrap();
            to_other.send(&Value::from("for the other"), SOON).unwrap();
            assert_eq!(other.recv(SOON).unwrap().value().unwrap(), &Value::from("for the other"));
            other.send(&Value::Int(1), SOON).unwrap();
            // The listener runs in this process, whose user differs from that of the querying thread.
            let source = to_other.recv(SOON).unwrap().source().to_owned();
            assert!(source.starts_with("panel"), "{source}");
        });
        let again = Channel::connect(&shared.endpoint, &panel, SOON).unwrap();
        let to_again = listener.accept(SOON).unwrap();
        to_again.send(&Value::from("next"), SOON).unwrap();
        for expected in ["for panel alone", "next"] {
            assert_eq!(again.recv(SOON).unwrap().value().unwrap(), &Value::from(expected), "{transport}");
        }
    }
}

#[test]
fn source_of_another_user_has_the_user() {
    let shared = Shared::new("unix", &[i64::from(NOBODY)]);
    let listener = Listener::listen(&shared.endpoint, &shared.options).unwrap();
    for (uid, source) in [(0, "panel"), (NOBODY, "panel@nobody")] {
        let sent = || {
            let channel = Channel::connect(&shared.endpoint, &called("panel"), SOON).unwrap();
            channel.send(&Value::Int(1), SOON).unwrap();
            channel
        };
        let channel = if uid == 0 { sent() } else { support::as_user(uid, uid, sent) };
        let accepted = listener.accept(SOON).unwrap();
        assert_eq!(accepted.recv(SOON).unwrap().source(), source);
        drop(channel);
    }
    // Neither a name nor a program's title can be made to look like one with an owner behind it.
    let spoilt = |key: &str, value: &str| {
        let mut map = hello_map();
        map.insert(key.to_owned(), value.into());
        hello(map)
    };
    let mut stream = shared.connect();
    stream.write_all(&spoilt("client_id", "panel@root")).unwrap();
    let mut stream: Box<dyn Connection> = Box::new(stream);
    assert_eq!(refusal(&answer(&mut stream)), ErrorKind::InvalidEndpoint);
    let mut stream = shared.connect();
    stream.write_all(&spoilt("title", "panel@root")).unwrap();
    let header = Header { body: 1, sequence: 1, ..Header::new(Kind::Data, Encoding::Cbor) };
    stream.write_all(&[&header.to_bytes()[..], b"\x01"].concat()).unwrap();
    let accepted = listener.accept(SOON).unwrap();
    assert_eq!(accepted.recv(SOON).unwrap().source(), "panelroot-1");
}

/// Checks what silent connections of another user leave to a listener: few descriptors are taken, and others can
/// connect.
fn silent_connections_of_another_user(
    endpoint: &str,
    options: &Options,
    connect: impl Fn() -> OwnedFd + Sync,
) {
    const SILENT: usize = 200;
    let server = Server::serve(endpoint, options).unwrap();
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let _closing = Closing(&server);
        let call = || {
            let good = Channel::connect(endpoint, &Options::default(), SOON).unwrap();
            good.call(&Value::Int(1), SOON).unwrap();
        };
        call();
        let silent: Vec<OwnedFd> =
            support::as_user(NOBODY, NOBODY, || (0..SILENT).map(|_| connect()).collect());
        // It connected after all of those.
        call();
        let held = silent.iter().filter(|fd| !is_hung_up(fd)).count();
        assert!(held <= 24, "{held} descriptors for connections that say nothing");
    });
}

#[test]
fn silent_connections_of_another_user_are_bounded_and_block_no_peer() {
    for transport in ["shm", "unix"] {
        let shared = Shared::new(transport, &[i64::from(NOBODY)]);
        silent_connections_of_another_user(&shared.endpoint, &shared.options, || shared.connect().into());
    }
    let endpoint = name("tcp");
    let address: std::net::SocketAddr = endpoint.strip_prefix("tcp://").unwrap().parse().unwrap();
    silent_connections_of_another_user(&endpoint, &Options::default(), || {
        TcpStream::connect(address).unwrap().into()
    });
}

#[test]
fn evicted_callers_reconnect_by_themselves() {
    // More at once than may wait, all of one user other than the listener's.
    let shared = Shared::new("unix", &[i64::from(NOBODY)]);
    let server = Server::serve(&shared.endpoint, &shared.options).unwrap();
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let _closing = Closing(&server);
        let callers: Vec<_> = (0..32)
            .map(|i| {
                let endpoint = &shared.endpoint;
                s.spawn(move || {
                    support::as_user(NOBODY, NOBODY, || {
                        let channel = Channel::connect(endpoint, &Options::default(), SOON).unwrap();
                        channel.call(&Value::Int(i), SOON).unwrap().value().unwrap().clone()
                    })
                })
            })
            .collect();
        for (i, caller) in callers.into_iter().enumerate() {
            assert_eq!(caller.join().unwrap(), Value::Int(i as i64));
        }
    });
}
