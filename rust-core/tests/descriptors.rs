//! A descriptor for an event loop is readable while its object has work, however the program begins.

use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use linkspan::{
    Channel, ErrorKind, Event, EventKind, Listener, Options, PendingReply, Publisher, Server, ServiceLoop,
    ServiceOptions, Subscriber, Value, Wait,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::alone::alone;
use crate::support::{SOON, name, readable, rests};

const ORDERS: [Order; 3] = [Order::Before, Order::Between, Order::After];

/// When the program asks for the descriptor.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Before,
    Between,
    After,
}

/// Tries `attempt` only while the descriptor is readable, until it returns something.
fn once_readable<T>(fd: RawFd, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        assert!(readable(fd, 60), "{what}: nothing is readable");
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: it is readable, and there is nothing");
    }
}

fn options() -> Options {
    Options::default().with_timeout(SOON)
}

fn at(order: Order, wanted: Order, fd: &mut Option<RawFd>, ask: impl FnOnce() -> RawFd) {
    if order == wanted {
        *fd = Some(ask());
    }
}

fn caller_is_woken_for_each_answer(transport: &str, order: Order) {
    let endpoint = name(transport);
    let channel = Channel::dial(&endpoint, &options()).unwrap();
    let mut fd = None;
    at(order, Order::Before, &mut fd, || channel.fileno().unwrap());
    let server = Server::serve(&endpoint, &options()).unwrap();
    std::thread::scope(|s| {
        s.spawn(|| {
            for _ in 0..5 {
                let request = server.next(SOON).unwrap().unwrap();
                request.reply(request.value().unwrap()).unwrap();
            }
        });
        let start = |i: i64| channel.start_call(&channel.encode(&Value::Int(i)).unwrap(), SOON).unwrap();
        let finish = |pending: &PendingReply| channel.finish_call(pending, Wait::none()).ok();
        assert_eq!(channel.call(&Value::Int(0), SOON).unwrap().value().unwrap(), &Value::Int(0));
        at(order, Order::Between, &mut fd, || channel.fileno().unwrap());
        let first = start(1);
        at(order, Order::After, &mut fd, || channel.fileno().unwrap());
        let fd = fd.unwrap();
        let what = format!("{transport}, {order:?}");
        let answer = once_readable(fd, &what, || finish(&first));
        assert_eq!(answer.value().unwrap(), &Value::Int(1));
        // Each wake-up takes one answer; the other answers also wake the loop.
        let many = [2, 3, 4].map(start);
        let mut left: Vec<_> = many.into_iter().zip([2, 3, 4]).rev().collect();
        while !left.is_empty() {
            // Like an event loop: each waiting request checks at each wake-up.
            let answered = once_readable(fd, &what, || {
                left.iter().position(|(pending, i)| {
                    finish(pending).is_some_and(|answer| {
                        assert_eq!(answer.value().unwrap(), &Value::Int(*i));
                        true
                    })
                })
            });
            drop(left.remove(answered));
        }
        rests(fd, &what, || channel.poll().is_ok_and(|is_ready| is_ready));
    });
}

fn channel_is_woken_for_each_message(transport: &str, order: Order) {
    let endpoint = name(transport);
    let channel = Channel::dial(&endpoint, &options()).unwrap();
    let mut fd = None;
    at(order, Order::Before, &mut fd, || channel.fileno().unwrap());
    let listener = Listener::listen(&endpoint, &options()).unwrap();
    // A send makes the link, which the receiving direction must learn.
    channel.send(&Value::Int(0), SOON).unwrap();
    let peer = listener.accept(SOON).unwrap();
    let peer_fd = peer.fileno().unwrap();
    let what = format!("{transport}, {order:?}");
    once_readable(peer_fd, &what, || peer.try_recv().ok());
    at(order, Order::Between, &mut fd, || channel.fileno().unwrap());
    for i in 1..4 {
        peer.send(&Value::Int(i), SOON).unwrap();
    }
    at(order, Order::After, &mut fd, || channel.fileno().unwrap());
    let fd = fd.unwrap();
    for i in 1..4 {
        // One message at each wake-up: the descriptor stays readable for the others.
        let message = once_readable(fd, &what, || channel.try_recv().ok());
        assert_eq!(message.value().unwrap(), &Value::Int(i));
    }
    rests(fd, &what, || channel.try_recv().is_ok());
    rests(peer_fd, &what, || peer.try_recv().is_ok());
}

fn server_is_woken_for_each_request(transport: &str, order: Order) {
    let endpoint = name(transport);
    let server = Server::serve(&endpoint, &options()).unwrap();
    let mut fd = None;
    at(order, Order::Before, &mut fd, || server.fileno().unwrap());
    let clients = [(); 2].map(|()| Channel::connect(&endpoint, &options(), SOON).unwrap());
    at(order, Order::Between, &mut fd, || server.fileno().unwrap());
    let start = |client: &Channel, i: i64| {
        let payload = client.encode(&Value::Int(i)).unwrap();
        client.start_call(&payload, SOON).unwrap()
    };
    let mut pending = Vec::new();
    for client in &clients {
        for i in 0..3 {
            pending.push((client, i, start(client, i)));
        }
    }
    at(order, Order::After, &mut fd, || server.fileno().unwrap());
    let fd = fd.unwrap();
    let what = format!("{transport}, {order:?}");
    for _ in 0..pending.len() {
        let request = once_readable(fd, &what, || server.next(Duration::ZERO).ok().flatten());
        request.reply(request.value().unwrap()).unwrap();
    }
    for (client, i, pending) in pending {
        assert_eq!(client.finish_call(&pending, SOON).unwrap().value().unwrap(), &Value::Int(i));
    }
    rests(fd, &what, || server.next(Duration::ZERO).is_ok_and(|request| request.is_some()));
}

fn subscriber_is_woken_for_each_message(transport: &str, order: Order, names: impl Fn(&str) -> Subscriber) {
    let endpoint = name(transport);
    let subscriber = names(&endpoint);
    let mut fd = None;
    at(order, Order::Before, &mut fd, || subscriber.fileno().unwrap());
    let publisher = Publisher::new(&endpoint, &options()).unwrap();
    publisher.send(&Value::Int(0)).unwrap();
    let what = format!("{transport}, {order:?}");
    if order == Order::Before {
        once_readable(fd.unwrap(), &what, || subscriber.try_recv().ok());
    } else {
        subscriber.recv(SOON).unwrap();
    }
    at(order, Order::Between, &mut fd, || subscriber.fileno().unwrap());
    for i in 1..4 {
        publisher.send(&Value::Int(i)).unwrap();
    }
    at(order, Order::After, &mut fd, || subscriber.fileno().unwrap());
    let fd = fd.unwrap();
    // A call that looks without receiving disarms nothing.
    once_readable(fd, &what, || subscriber.poll().unwrap().then_some(()));
    for i in 1..4 {
        let message = once_readable(fd, &what, || subscriber.try_recv().ok());
        assert_eq!(message.value().unwrap(), &Value::Int(i));
    }
    rests(fd, &what, || subscriber.try_recv().is_ok());
}

fn listener_is_woken_for_each_peer(transport: &str, order: Order) {
    let endpoint = name(transport);
    let listener = Listener::listen(&endpoint, &options()).unwrap();
    let endpoint = listener.endpoint();
    let mut fd = None;
    at(order, Order::Before, &mut fd, || listener.fileno().unwrap());
    let what = format!("{transport}, {order:?}");
    // A first peer, accepted by a call that is not woken.
    let first = Channel::connect(&endpoint, &options(), SOON).unwrap();
    let accepted = listener.accept(SOON).unwrap();
    at(order, Order::Between, &mut fd, || listener.fileno().unwrap());
    let peers = [(); 3].map(|()| Channel::connect(&endpoint, &options(), SOON).unwrap());
    at(order, Order::After, &mut fd, || listener.fileno().unwrap());
    let fd = fd.unwrap();
    let mut channels = vec![accepted];
    for _ in &peers {
        channels.push(once_readable(fd, &what, || listener.accept(Wait::none()).ok()));
    }
    rests(fd, &what, || listener.accept(Wait::none()).is_ok());
    drop((first, peers, channels));
}

fn receiver_is_woken_for_each_message(transport: &str, order: Order) {
    let endpoint = name(transport);
    let receiver = Channel::open(&endpoint, &options(), SOON).unwrap();
    let mut fd = None;
    at(order, Order::Before, &mut fd, || receiver.fileno().unwrap());
    let sender = Channel::connect(&endpoint, &options(), SOON).unwrap();
    at(order, Order::Between, &mut fd, || receiver.fileno().unwrap());
    for i in 1..4 {
        sender.send(&Value::Int(i), SOON).unwrap();
    }
    at(order, Order::After, &mut fd, || receiver.fileno().unwrap());
    let what = format!("{transport}, {order:?}");
    let fd = fd.unwrap();
    for i in 1..4 {
        let message = once_readable(fd, &what, || receiver.try_recv().ok());
        assert_eq!(message.value().unwrap(), &Value::Int(i));
    }
    rests(fd, &what, || receiver.try_recv().is_ok());
}

#[test]
fn receivers_of_one_direction() {
    for transport in ["fifo", "dgram", "spool"] {
        for order in ORDERS {
            receiver_is_woken_for_each_message(transport, order);
        }
    }
}

fn subscriber_to_one_name(transport: &str, order: Order) {
    subscriber_is_woken_for_each_message(transport, order, |name| Subscriber::new(name, &options()).unwrap());
}

fn subscriber_to_a_list(transport: &str, order: Order) {
    subscriber_is_woken_for_each_message(transport, order, |name| {
        Subscriber::of(&[name], &options()).unwrap()
    });
}

fn subscriber_to_a_pattern(transport: &str, order: Order) {
    // A `tcp` address cannot be a pattern.
    if transport != "tcp" {
        subscriber_is_woken_for_each_message(transport, order, |name| {
            Subscriber::new(&format!("{name}*"), &options()).unwrap()
        });
    }
}

/// An idle object is not readable.
///
/// A retry of a connection may become due between two checks, so one idle check of several suffices.
fn stays_idle(what: &str, ask: impl Fn() -> RawFd, mut attempt: impl FnMut() -> bool) {
    let fd = ask();
    let mut is_idle = |_| {
        rests(fd, what, &mut attempt);
        (0..2).all(|_| {
            assert_eq!(ask(), fd, "{what}");
            !readable(fd, 0)
        })
    };
    assert!((0..20).any(&mut is_idle), "{what}: asking makes it readable");
}

#[test]
fn descriptor_of_an_idle_object_that_is_asked_for_twice_is_not_readable() {
    for transport in ["shm", "unix", "tcp"] {
        let server = Server::serve(&name(transport), &options()).unwrap();
        let client = Channel::connect(server.endpoint(), &options(), SOON).unwrap();
        let listener = Listener::listen(&name(transport), &options()).unwrap();
        let near = Channel::connect(&listener.endpoint(), &options(), SOON).unwrap();
        let far = listener.accept(SOON).unwrap();
        let alone = Channel::dial(&name(transport), &options()).unwrap();
        for (what, channel) in
            [("client", &client), ("connected", &near), ("accepted", &far), ("alone", &alone)]
        {
            stays_idle(what, || channel.fileno().unwrap(), || channel.try_recv().is_ok());
        }
        stays_idle("server", || server.fileno().unwrap(), || server.next(Wait::none()).is_ok());
        stays_idle("as_raw_fd", || server.as_raw_fd(), || server.next(Wait::none()).is_ok());
        stays_idle("listener", || listener.fileno().unwrap(), || listener.accept(Wait::none()).is_ok());
        let publisher = Publisher::new(&name(transport), &options()).unwrap();
        let subscribers = [
            Subscriber::new(publisher.endpoint(), &options()),
            Subscriber::new(&name(transport), &options()),
            Subscriber::of(&[publisher.endpoint(), &name(transport)], &options()),
        ];
        let pattern =
            (transport != "tcp").then(|| Subscriber::new(&format!("{}*", name(transport)), &options()));
        for subscriber in subscribers.into_iter().chain(pattern) {
            let subscriber = subscriber.unwrap();
            let what = format!("subscriber of {}", subscriber.endpoint());
            stays_idle(&what, || subscriber.fileno().unwrap(), || subscriber.try_recv().is_ok());
        }
    }
    for transport in ["fifo", "dgram", "spool"] {
        let receiver = Channel::open(&name(transport), &options(), SOON).unwrap();
        stays_idle(transport, || receiver.fileno().unwrap(), || receiver.try_recv().is_ok());
    }
    let spool = Server::serve(&name("spool"), &options()).unwrap();
    stays_idle("server of a spool", || spool.fileno().unwrap(), || spool.next(Wait::none()).is_ok());
    let mut service = ServiceOptions::default();
    (service.controller, service.handle_signals) = (name("unix"), false);
    let tasks = ServiceLoop::start("idle", &service).unwrap();
    stays_idle("service", || tasks.fileno().unwrap(), || tasks.next(Wait::none()).is_ok());
}

/// The descriptor wakes, and the next call reports the close.
#[test]
fn close_is_an_event_of_each_descriptor() {
    for transport in ["shm", "unix"] {
        let (listener, endpoint) = (Listener::listen(&name(transport), &options()).unwrap(), name(transport));
        let near = Channel::connect(&listener.endpoint(), &options(), SOON).unwrap();
        let far = listener.accept(SOON).unwrap();
        let alone = Channel::dial(&name(transport), &options()).unwrap();
        let server = Server::serve(&endpoint, &options()).unwrap();
        let one = Subscriber::new(&name(transport), &options()).unwrap();
        let list = Subscriber::of(&[&name(transport)], &options()).unwrap();
        let pattern = Subscriber::of(&[&format!("{}*", name(transport))], &options()).unwrap();
        let channels = [("connected", near), ("accepted", far), ("alone", alone)];
        for (what, fd, channel) in channels.map(|(what, one)| (what, one.fileno().unwrap(), one)) {
            rests(fd, what, || channel.try_recv().is_ok());
            std::thread::scope(|scope| {
                scope.spawn(|| drop(channel.close(SOON)));
                assert!(readable(fd, 60), "{transport}: {what}");
            });
            assert_eq!(channel.try_recv().unwrap_err().kind(), ErrorKind::InvalidState);
        }
        for (what, subscriber) in [("one", one), ("list", list), ("pattern", pattern)] {
            let fd = subscriber.fileno().unwrap();
            rests(fd, what, || subscriber.try_recv().is_ok());
            std::thread::scope(|scope| {
                scope.spawn(|| subscriber.close());
                assert!(readable(fd, 60), "{transport}: {what}");
            });
            assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::InvalidState);
        }
        let fd = server.fileno().unwrap();
        rests(fd, "server", || server.next(Wait::none()).is_ok());
        std::thread::scope(|scope| {
            scope.spawn(|| server.close(SOON).unwrap());
            assert!(readable(fd, 60), "{transport}: server");
        });
        assert!(server.next(Wait::none()).unwrap().is_none());
        let fd = listener.fileno().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| listener.close());
            assert!(readable(fd, 60), "{transport}: listener");
        });
        assert_eq!(listener.accept(Wait::none()).unwrap_err().kind(), ErrorKind::InvalidState);
    }
}

fn newest_leaves_the_descriptor_armed(transport: &str, order: Order) {
    // Over a stream, the newest value is the last of the unreceived messages.
    if order != Order::Between || transport != "shm" {
        return;
    }
    let endpoint = name(transport);
    let publisher = Publisher::new(&endpoint, &options()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &options()).unwrap();
    let fd = subscriber.fileno().unwrap();
    publisher.send(&Value::Int(0)).unwrap();
    once_readable(fd, transport, || subscriber.try_recv().ok());
    assert_eq!(subscriber.newest(SOON).unwrap().value().unwrap(), &Value::Int(0));
    publisher.send(&Value::Int(1)).unwrap();
    let message = once_readable(fd, transport, || subscriber.try_recv().ok());
    assert_eq!(message.value().unwrap(), &Value::Int(1));
}

/// A lost connection needs a timer, which needs a free descriptor.
#[test]
fn subscriber_that_has_no_descriptor_for_a_timer_goes_on_once_there_are_some() {
    alone!(subscriber_that_has_no_descriptor_for_a_timer_goes_on_once_there_are_some);
    for transport in ["shm", "unix", "tcp"] {
        for is_list in [false, true] {
            let endpoint = name(transport);
            let what = format!("{transport}, a list: {is_list}");
            let publisher = Publisher::new(&endpoint, &options()).unwrap();
            let subscriber = match is_list {
                true => Subscriber::of(&[&endpoint, &name(transport)], &options()).unwrap(),
                false => Subscriber::new(&endpoint, &options()).unwrap(),
            };
            let fd = subscriber.fileno().unwrap();
            publisher.send(&Value::Int(0)).unwrap();
            once_readable(fd, &what, || subscriber.try_recv().ok());
            let limit = getrlimit(Resource::Nofile);
            setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..limit }).unwrap();
            drop(publisher);
            let has_ended = |event: &Event| event.kind == EventKind::Disconnected;
            once_readable(fd, &what, || {
                // Like an event loop: until nothing is left.
                while subscriber.try_recv().is_ok() {}
                subscriber.events().iter().any(has_ended).then_some(())
            });
            let _ = subscriber.try_recv();
            setrlimit(Resource::Nofile, limit).unwrap();
            let publisher = Publisher::new(&endpoint, &options()).unwrap();
            let sent = std::thread::scope(|scope| {
                scope.spawn(|| {
                    publisher.wait_for_subscribers(1, SOON).and_then(|()| publisher.send(&Value::Int(1)))
                });
                once_readable(fd, &what, || subscriber.try_recv().ok())
            });
            assert_eq!(sent.value().unwrap(), &Value::Int(1), "{what}");
        }
    }
}

fn each(test: impl Fn(&str, Order)) {
    for transport in ["shm", "unix", "tcp"] {
        for order in ORDERS {
            test(transport, order);
        }
    }
}

macro_rules! cases {
    ($($case:ident)*) => {
        mod armed { $(#[test] fn $case() { super::each(super::$case) })* }
    };
}

cases! {
    caller_is_woken_for_each_answer
    channel_is_woken_for_each_message
    server_is_woken_for_each_request
    listener_is_woken_for_each_peer
    subscriber_to_one_name
    subscriber_to_a_list
    subscriber_to_a_pattern
    newest_leaves_the_descriptor_armed
}
