//! Peers that make others hold memory for them: the total is bounded, and honest peers continue.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use linkspan::frame::{Header, Kind};
use linkspan::{Channel, Encoding, Options, Server, Value};

use crate::support::hellos::{hello, hello_map};
use crate::support::{self, alone::alone};
use crate::support::{SOON, name};

const MIB: usize = 1 << 20;
/// The default of `limit`.
const LIMIT: usize = 64 * MIB;
/// The bound of all messages that have arrived in part.
const BUDGET: usize = 4 * LIMIT;
const PEERS: usize = 7;
const SENT: usize = 60 * MIB;

fn admitted(endpoint: &str, session: i64) -> UnixStream {
    let file = endpoint.split_once(':').unwrap().1.replace('/', "@") + ".unix";
    let path = Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(file);
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    let mut hello_members = hello_map();
    hello_members.insert("session".into(), session.into());
    hello_members.insert("limit".into(), (LIMIT as i64).into());
    stream.write_all(&hello(hello_members)).unwrap();
    support::read_hello(&mut stream);
    stream
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Closes a server at the end of the test, even after a panic, which ends its thread.
struct Closing<'a>(&'a Server);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close(SOON).unwrap();
    }
}

#[test]
fn half_sent_messages_of_many_peers_hold_bounded_memory_and_block_no_peer() {
    alone!(half_sent_messages_of_many_peers_hold_bounded_memory_and_block_no_peer);
    let endpoint = name("unix");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let _closing = Closing(&server);
        let good = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        good.call(&Value::Int(1), SOON).unwrap();
        let body = vec![0xf6; SENT];
        let header = Header { body: LIMIT as u64, sequence: 1, ..Header::new(Kind::Request, Encoding::Cbor) };
        let before = resident();
        let mut peers: Vec<_> = (0..PEERS).map(|at| admitted(&endpoint, at as i64 + 1)).collect();
        for peer in &mut peers {
            peer.write_all(&header.to_bytes()).unwrap();
            peer.write_all(&body).unwrap();
        }
        let more = resident().saturating_sub(before);
        assert!(more < BUDGET + 48 * MIB, "{} MiB are held for messages that have not come", more / MIB);
        // A long honest message while they hold the whole budget.
        let long = Value::Bytes(vec![7; 12 * MIB].into());
        assert_eq!(good.call(&long, SOON).unwrap().value().unwrap(), &long);
        let kinds: Vec<_> = good.events().iter().map(|e| e.kind.name()).collect();
        assert_eq!(kinds, ["connected"], "the good client was not thrown out");
        // Evicted peers notice it when they continue: at least as many as exceed the budget.
        for peer in &mut peers {
            peer.write_all(&[0xf6]).unwrap();
        }
        for peer in &mut peers[..PEERS - BUDGET / LIMIT] {
            assert_eq!(peer.read(&mut [0]).unwrap_or(0), 0, "its conversation has ended");
        }
        let events = server.events();
        let given_up = events.iter().filter(|e| e.text.contains("bytes of a message were given up")).count();
        assert!((PEERS - BUDGET / LIMIT..PEERS).contains(&given_up), "{events:?}");
        good.call(&Value::Int(2), SOON).unwrap();
    });
}
