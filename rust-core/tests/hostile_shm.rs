//! Admitted hostile peers that misuse shared words, bytes and descriptors. No other peer waits for them.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use linkspan::frame::Kind;
use linkspan::{Channel, ErrorKind, Listener, Options, Publisher, Server, Subscriber, Value};
use rustix::mm::{MapFlags, ProtFlags};
use rustix::net::SendFlags;

use crate::support::alone::alone;
use crate::support::shm_peer::{
    ACK_WANTED, ACKNOWLEDGED, DATA_PARK, DATA_WAKE, LAYOUT, Memory, PAGE, RING, ROOM_PARK, SESSION, TAKEN,
    client, connect, hello, receive, send, socket_of, subscriber,
};
use crate::support::{SOON, name};

fn meanwhile(mut hostile: impl FnMut(u64) + Send, honest: impl FnOnce()) {
    let over = AtomicBool::new(false);
    /// The hostile part ends with the honest part, even after a panic.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    thread::scope(|s| {
        let _over = Over(&over);
        s.spawn(|| (1..).take_while(|_| !over.load(Ordering::Relaxed)).for_each(&mut hostile));
        honest();
    });
}

fn published() -> (String, Publisher, Subscriber) {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::Int(0)).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(0));
    (endpoint, publisher, subscriber)
}

fn all_arrives(publisher: &Publisher, subscriber: &Subscriber, count: i64) {
    for i in 1..=count {
        publisher.send(&Value::Int(i)).unwrap();
        assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
    }
}

fn beside_a_client(work: impl FnOnce(&str, &dyn Fn(i64))) {
    struct Closing<'a>(&'a Server);
    impl Drop for Closing<'_> {
        fn drop(&mut self) {
            self.0.close(SOON).unwrap();
        }
    }
    let endpoint = name("shm");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        s.spawn(|| server.run(|request| Ok(request.value()?.clone())));
        let _closing = Closing(&server);
        let honest = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        work(&endpoint, &|count| {
            for i in 0..count {
                assert_eq!(honest.call(&Value::Int(i), SOON).unwrap().value().unwrap(), &Value::Int(i));
            }
        });
        let kinds: Vec<_> = honest.events().iter().map(|e| e.kind.name()).collect();
        assert_eq!(kinds, ["connected"], "the honest client was not thrown out");
    });
}

fn refused(socket: &UnixStream) -> ErrorKind {
    let (header, body, descriptors) = receive(socket);
    assert_eq!((header.kind, descriptors.len()), (Kind::Error, 0), "{body:?}");
    ErrorKind::from_code(body.at("code").unwrap().as_u64().unwrap() as u16).unwrap()
}

/// A write to the full eventfd, or a read from the empty one, would never return.
fn eventfds_that_block() -> [OwnedFd; 2] {
    use rustix::event::{EventfdFlags, eventfd};
    let full = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    rustix::io::write(&full, &(u64::MAX - 1).to_le_bytes()).unwrap();
    [full, eventfd(0, EventfdFlags::CLOEXEC).unwrap()]
}

#[test]
fn unexpected_hello_descriptors_are_refused_and_closed() {
    let (published_at, publisher, honest) = published();
    beside_a_client(|served_at, calls| {
        for (endpoint, pattern, magic, ring) in
            [(served_at, "channel", b"LINKSHM1", RING), (&published_at, "publish", b"LINKSUB1", 0)]
        {
            for layout in [1, LAYOUT] {
                let memory = Memory::new(magic, layout, SESSION, ring);
                // A peer that looks parked to every waker.
                memory.store(DATA_PARK, 2);
                let (here, there) = UnixStream::pair().unwrap();
                let [full, empty] = eventfds_that_block();
                let socket = connect(endpoint);
                let offer = [memory.file.as_fd(), full.as_fd(), empty.as_fd(), there.as_fd()];
                // A subscriber of layout 1 sends two, a client three.
                let count = if layout == 1 { 2 + usize::from(ring > 0) } else { 4 };
                send(&socket, &hello(pattern, SESSION), &offer[..count]);
                drop(there);
                assert_eq!(refused(&socket), ErrorKind::Malformed, "{pattern} of layout {layout}");
                here.set_read_timeout(Some(SOON)).unwrap();
                assert_eq!((&here).read(&mut [0]).unwrap(), 0, "what came along is closed");
            }
            // Only the memory file, in the previous layout.
            let memory = Memory::new(magic, 1, SESSION, ring);
            let socket = connect(endpoint);
            send(&socket, &hello(pattern, SESSION), &[memory.file.as_fd()]);
            assert_eq!(refused(&socket), ErrorKind::VersionMismatch);
        }
        calls(10);
        all_arrives(&publisher, &honest, 10);
    });
}

#[test]
fn subscriber_that_parks_repeatedly_and_reads_nothing_delays_no_peer() {
    let (endpoint, publisher, honest) = published();
    let hostile = [subscriber(&endpoint), subscriber(&endpoint)];
    // One subscriber requests a byte per message, until its socket is full; the other a futex wake-up.
    meanwhile(
        |turn| {
            hostile[0].memory.store(DATA_PARK, turn << 2 | 2);
            hostile[1].memory.store(DATA_PARK, turn << 2 | 1);
        },
        || all_arrives(&publisher, &honest, 3000),
    );
}

#[test]
fn subscriber_that_fills_the_queue_of_the_wake_word_delays_no_peer() {
    let (endpoint, publisher, honest) = published();
    let hostile = Arc::new(subscriber(&endpoint));
    let over = Arc::new(AtomicBool::new(false));
    // SAFETY: a fresh mapping of the publisher's ring, which never shrinks and is never unmapped here.
    let ring: &'static [AtomicU64] = unsafe {
        let file = hostile.theirs[0].as_fd();
        let start =
            rustix::mm::mmap(std::ptr::null_mut(), PAGE, ProtFlags::READ, MapFlags::SHARED, file, 0).unwrap();
        std::slice::from_raw_parts(start.cast(), PAGE / 8)
    };
    let word = &ring[DATA_WAKE / 8];
    let sleepers: Vec<_> = (0..200)
        .map(|_| {
            let over = over.clone();
            thread::spawn(move || {
                use rustix::thread::futex;
                // SAFETY: the low half of the word, on a little-endian machine.
                let half = unsafe { std::sync::atomic::AtomicU32::from_ptr(word.as_ptr().cast()) };
                while !over.load(Ordering::Relaxed) {
                    let now = word.load(Ordering::Acquire) as u32;
                    let nap = rustix::time::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
                    let _ = futex::wait(half, futex::Flags::empty(), now, Some(&nap));
                }
            })
        })
        .collect();
    all_arrives(&publisher, &honest, 500);
    over.store(true, Ordering::Relaxed);
    sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    all_arrives(&publisher, &honest, 100);
}

#[test]
fn client_that_floods_bytes_is_let_go_of_and_the_others_are_served() {
    beside_a_client(|endpoint, calls| {
        let hostile = client(endpoint);
        let flood = vec![1; 100_000];
        hostile.socket.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        let ended = AtomicBool::new(false);
        meanwhile(
            |_| match rustix::net::send(&hostile.socket, &flood, SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => {
                    ended.store(true, Ordering::Relaxed)
                }
                Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
                Err(e) => panic!("{e}"),
            },
            || {
                calls(200);
                let deadline = std::time::Instant::now() + SOON;
                while !ended.load(Ordering::Relaxed) {
                    assert!(std::time::Instant::now() < deadline, "the flood was to end its connection");
                    calls(1);
                }
            },
        );
    });
}

#[test]
fn client_that_scribbles_over_its_park_and_wake_words_delays_no_peer() {
    beside_a_client(|endpoint, calls| {
        let hostile: Vec<_> = (0..4).map(|_| client(endpoint)).collect();
        let seed = std::env::var("LINKSPAN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4711u64);
        println!("LINKSPAN_SEED={seed}");
        let mut random = seed | 1;
        meanwhile(
            |turn| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let at = [DATA_PARK, ROOM_PARK, DATA_WAKE, DATA_WAKE + 8][random as usize % 4];
                hostile[turn as usize % 4].memory.store(at, random >> ((random >> 8) % 64));
            },
            || calls(500),
        );
    });
}

#[test]
fn client_that_reconnects_during_its_removal_blocks_neither_acceptor_nor_server() {
    beside_a_client(|endpoint, calls| {
        let mut last = client(endpoint);
        for _ in 0..300 {
            // The acceptor looks for this session's link while the server removes it.
            let _ = rustix::net::send(&last.socket, b"??", SendFlags::NOSIGNAL);
            last = client(endpoint);
            calls(1);
        }
        drop(Channel::connect(endpoint, &Options::default(), SOON).unwrap());
    });
}

fn host(endpoint: &str) -> UnixListener {
    let path = socket_of(endpoint);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    UnixListener::bind(path).unwrap()
}

#[test]
fn subscriber_of_a_publisher_that_wakes_it_for_nothing_ends_its_wait_in_time() {
    alone!(subscriber_of_a_publisher_that_wakes_it_for_nothing_ends_its_wait_in_time);
    let endpoint = name("shm");
    let listener = host(&endpoint);
    let ring = Memory::new(b"LINKPUB1", LAYOUT, SESSION, RING);
    let hostile = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let (_, _, page) = receive(&socket);
        assert_eq!(page.len(), 1);
        send(&socket, &hello("publish", SESSION), &[ring.file.as_fd()]);
        // Any value of the wake word, and an occasional byte.
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        for turn in 0.. {
            ring.store(DATA_WAKE, turn * 0x0101_0101);
            if turn % 64 == 0 {
                let _ = rustix::net::send(&socket, &[1], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
            }
            if matches!((&socket).read(&mut [0]), Ok(0)) {
                return;
            }
        }
    });
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    for _ in 0..2 {
        let error = subscriber.recv(Duration::from_millis(500)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
    subscriber.close();
    hostile.join().unwrap();
}

/// The peer's page claims consumption of unsent messages, or a wait for any number. Only its own link may
/// end.
#[test]
fn number_in_a_page_that_was_never_sent_ends_the_link() {
    let words = [(ACKNOWLEDGED, "acknowledges"), (TAKEN, "takes")];
    for ((word, says), number) in
        words.iter().flat_map(|word| [2, 1000, u64::MAX].map(|number| (word, number)))
    {
        let endpoint = name("shm");
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let peer = client(&endpoint);
        let channel = listener.accept(SOON).unwrap();
        for wanted in [1, u64::MAX] {
            peer.memory.store(ACK_WANTED, wanted);
            channel.stats();
        }
        channel.send(&Value::Int(1), SOON).unwrap();
        assert_eq!(channel.stats().at("unacknowledged").unwrap(), &Value::from(1u64));
        peer.memory.store(*word, number);
        // Reading the counters reads the page; the next call returns the error.
        channel.stats();
        let error = channel.send(&Value::Int(2), SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.text().contains(&format!("{says} message {number}, and 1 were sent")), "{error}");
        assert_eq!(channel.recv(SOON).unwrap_err().kind(), ErrorKind::Malformed);
    }
}

/// Mapping a hole would allocate its pages on the reader's account.
#[test]
fn ring_that_is_a_hole_is_refused_though_as_many_pages_lie_behind_it() {
    let refused_here = |error: linkspan::Error| {
        assert!(error.kind() == ErrorKind::Malformed && error.text().contains("holes"), "{error}");
    };
    beside_a_client(|endpoint, calls| {
        let socket = connect(endpoint);
        let memory = Memory::with_a_hole(b"LINKSHM1", 1 << 20);
        send(&socket, &hello("channel", SESSION), &[memory.file.as_fd()]);
        assert_eq!(refused(&socket), ErrorKind::Malformed);
        calls(10);
    });
    for (pattern, magic) in [("channel", b"LINKSHM1"), ("publish", b"LINKPUB1")] {
        let endpoint = name("shm");
        let listener = host(&endpoint);
        let hostile = thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            receive(&socket);
            send(&socket, &hello(pattern, SESSION), &[Memory::with_a_hole(magic, 1 << 20).file.as_fd()]);
            // Until the honest side has left.
            let _ = (&socket).read(&mut [0]);
        });
        match pattern {
            "channel" => refused_here(Channel::connect(&endpoint, &Options::default(), SOON).unwrap_err()),
            _ => refused_here(linkspan::latest(&endpoint, &Options::default(), SOON).unwrap_err()),
        }
        hostile.join().unwrap();
    }
}
