//! Peers that violate the protocol: each gets its error, and the others are not affected.

mod descriptors;
mod frames;
mod hellos;
mod pipes;
mod users;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use linkspan::codec::{decode, encode};
use linkspan::frame::{HEADER, Header, Kind};
use linkspan::{Channel, Encoding, ErrorKind, EventKind, Listener, Options, Server, Subscriber, Value};

use crate::support::hellos::{frame, hello, hello_map};
use crate::support::{self, alone::alone};
use crate::support::{SOON, name};

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

/// A connection to an endpoint; over TCP the token is already proven.
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

fn answer(stream: &mut Box<dyn Connection>) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // It closed without reading everything.
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
        read => drop(read.unwrap()),
    }
    bytes
}

fn refusal(bytes: &[u8]) -> ErrorKind {
    let header = Header::from_bytes(bytes[..HEADER].try_into().unwrap()).unwrap();
    assert_eq!(header.kind, Kind::Error);
    let value = decode(&bytes[header.body_offset()..], Encoding::Cbor).unwrap();
    assert!(!value.at("text").unwrap().as_text().unwrap().is_empty());
    ErrorKind::from_code(value.at("code").unwrap().as_u64().unwrap() as u16).unwrap()
}

/// Closes a server at the end of the test, even after a panic, which ends its thread.
struct Closing<'a>(&'a Server);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close(SOON).unwrap();
    }
}

/// A server that echoes, and its client, which must notice nothing.
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

/// A name whose listener admits only this process's user and `allowed`.
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
        let own = i64::from(rustix::process::geteuid().as_raw());
        options.set("allow_uids", &[&[own][..], allowed].concat().into()).unwrap();
        let file = endpoint.split_once(':').unwrap().1.replace('/', "@");
        Shared { path: folder.join(format!("{file}.{transport}")), endpoint, options }
    }

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

fn is_hung_up(connection: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(connection, PollFlags::RDHUP)];
    poll(&mut fds, Some(&Timespec::default())).unwrap();
    fds[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
}
