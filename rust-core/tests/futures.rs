//! Futures and streams without a runtime: each wait ends, dropped futures lose nothing, tasks share one
//! object.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use futures_core::Stream;
use linkspan::{
    Channel, Delivery, ErrorKind, Listener, Message, Options, Publisher, Reactor, Server, Subscriber, Value,
};

use crate::support::{SOON, name};

struct Unpark(Thread, AtomicBool);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.store(true, Ordering::SeqCst);
        self.0.unpark();
    }
}

/// Runs a future to its end in this thread; fails if it is not woken for a minute.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(unpark.clone());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        while !unpark.1.swap(false, Ordering::SeqCst) {
            let before = std::time::Instant::now();
            thread::park_timeout(SOON);
            assert!(before.elapsed() < SOON, "nothing wakes the future");
        }
    }
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}

fn number(message: &Message) -> u64 {
    message.value().unwrap().as_u64().unwrap()
}

fn pair(endpoint: &str, reactor: &Reactor) -> (Channel, Channel) {
    let listener = Listener::listen(endpoint, &Options::default()).unwrap();
    thread::scope(|scope| {
        let accepted = scope.spawn(|| block_on(listener.accept_async(reactor)).unwrap());
        let connected = Channel::connect(endpoint, &Options::default(), SOON).unwrap();
        (connected, accepted.join().unwrap())
    })
}

/// A waker that owns another future, like a task that is dropped with its last waker.
struct Owns<T>(T);

impl<T: Send + Sync + 'static> Wake for Owns<T> {
    fn wake(self: Arc<Self>) {}
}

/// A waker is dropped with its future, and when another waker polls it.
#[test]
fn waker_whose_drop_drops_a_future_of_the_same_object_ends() {
    let (done, ended) = std::sync::mpsc::channel();
    // A hang keeps only this thread, which others do not need.
    thread::spawn(move || {
        let reactor: &'static Reactor = Box::leak(Box::new(Reactor::new().unwrap()));
        let server: &'static Server =
            Box::leak(Box::new(Server::serve(&name("unix"), &Options::default()).unwrap()));
        let poll = |future: &mut std::pin::Pin<Box<dyn Future<Output = _> + Send>>, waker: &Waker| {
            assert!(future.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        };
        let waits = || -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
            let mut future: std::pin::Pin<Box<dyn Future<Output = _> + Send>> =
                Box::pin(server.next_async(reactor));
            poll(&mut future, Waker::noop());
            future
        };
        let owning = || Waker::from(Arc::new(Owns(std::sync::Mutex::new(waits()))));
        let mut future = waits();
        poll(&mut future, &owning());
        poll(&mut future, Waker::noop());
        done.send("polled again").unwrap();
        poll(&mut future, &owning());
        drop(future);
        done.send("dropped").unwrap();
    });
    assert_eq!(ended.recv_timeout(SOON), Ok("polled again"));
    assert_eq!(ended.recv_timeout(SOON), Ok("dropped"));
}

const TRANSPORTS: [&str; 2] = ["shm", "unix"];

#[test]
fn each_call_that_waits_has_a_future_that_ends() {
    let reactor = Reactor::thread("futures").unwrap();
    for transport in TRANSPORTS {
        let (near, far) = pair(&name(transport), &reactor);
        thread::scope(|scope| {
            let received =
                scope.spawn(|| block_on(near.recv_async(&reactor)).map(|message| number(&message)).unwrap());
            block_on(far.send_async(&Value::from(7), &reactor)).unwrap();
            assert_eq!(received.join().unwrap(), 7);
        });
        let endpoint = name(transport);
        let all = Subscriber::of(&[&format!("{endpoint}*")], &Options::default()).unwrap();
        let one = Subscriber::new(&endpoint, &Options::default()).unwrap();
        thread::scope(|scope| {
            let received =
                scope.spawn(|| block_on(one.recv_async(&reactor)).map(|message| number(&message)).unwrap());
            let by_pattern = scope.spawn(|| number(&block_on(all.next_async(&reactor)).unwrap().unwrap()));
            let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
            publisher.send(&Value::from(1)).unwrap();
            assert_eq!((received.join().unwrap(), by_pattern.join().unwrap()), (1, 1));
        });
        let endpoint = name(transport);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let request = block_on(server.next_async(&reactor)).unwrap().unwrap();
                request.reply(&Value::from(request.value().unwrap().as_u64().unwrap() + 1)).unwrap();
            });
            let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
            assert_eq!(number(&block_on(client.call_async(&Value::from(2), &reactor)).unwrap()), 3);
        });
    }
}

/// A future that is dropped after any poll takes no message with it.
#[test]
fn futures_that_are_dropped_at_every_poll_lose_nothing() {
    const COUNT: u64 = 300;
    let reactor = Reactor::new().unwrap();
    let turned = Reactor::thread("accepts").unwrap();
    for transport in TRANSPORTS {
        let (near, far) = pair(&name(transport), &turned);
        let endpoint = name(transport);
        let publisher =
            Publisher::new(&endpoint, &Options::default().with_delivery(Delivery::BestEffort)).unwrap();
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        assert!(subscriber.try_recv().is_err());
        publisher.wait_for_subscribers(1, SOON).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for i in 0..COUNT {
                    far.send(&Value::from(i), SOON).unwrap();
                    publisher.send(&Value::from(i)).unwrap();
                    if i % 7 == 0 {
                        thread::yield_now();
                    }
                }
            });
            let (mut from_channel, mut from_publisher) = (Vec::new(), Vec::new());
            let mut context = Context::from_waker(Waker::noop());
            while from_channel.len() + from_publisher.len() < 2 * COUNT as usize {
                let received = pin!(near.recv_async(&reactor)).poll(&mut context);
                let next = pin!(subscriber.next_async(&reactor)).poll(&mut context);
                if received.is_pending() && next.is_pending() {
                    // Descriptors armed by the dropped futures also signal.
                    reactor.turn(Duration::from_millis(20)).unwrap();
                }
                if let Poll::Ready(message) = received {
                    from_channel.push(number(&message.unwrap()));
                }
                if let Poll::Ready(message) = next {
                    let message = message.unwrap().unwrap();
                    assert_eq!(message.missed(), 0);
                    from_publisher.push(number(&message));
                }
            }
            assert_eq!(from_channel, (0..COUNT).collect::<Vec<_>>(), "{transport}");
            assert_eq!(from_publisher, (0..COUNT).collect::<Vec<_>>(), "{transport}");
        });
    }
}

/// A sender whose future is dropped has sent nothing; a ready future has sent its message.
#[test]
fn dropped_future_of_a_sender_has_sent_nothing() {
    let turned = Reactor::thread("accepts").unwrap();
    for transport in TRANSPORTS {
        let (near, far) = pair(&name(transport), &turned);
        let body = Value::from(vec![7_u8; 20_000]);
        let mut context = Context::from_waker(Waker::noop());
        let mut sent = 0;
        let mut dropped = 0;
        while dropped < 3 {
            match pin!(near.send_async(&body, &turned)).poll(&mut context) {
                Poll::Ready(number) => sent = number.unwrap().max(sent + 1),
                Poll::Pending => dropped += 1,
            }
        }
        let mut received = 0;
        while received < sent {
            far.recv(SOON).unwrap();
            received += 1;
        }
        assert_eq!(far.try_recv().unwrap_err().kind(), ErrorKind::Empty, "{transport}");
        block_on(near.send_async(&body, &turned)).unwrap();
        far.recv(SOON).unwrap();
    }
}

#[test]
fn future_of_a_sender_waits_for_room() {
    const COUNT: usize = 400;
    let reactor = Reactor::thread("futures").unwrap();
    for transport in TRANSPORTS {
        let (near, far) = pair(&name(transport), &reactor);
        let body = Value::from(vec![7_u8; 30_000]);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..COUNT {
                    block_on(near.send_async(&body, &reactor)).unwrap();
                }
            });
            for _ in 0..COUNT {
                block_on(far.recv_async(&reactor)).unwrap();
            }
        });
    }
}

#[test]
fn many_tasks_call_over_one_channel() {
    const TASKS: u64 = 8;
    const CALLS: u64 = 100;
    let reactor = Reactor::thread("futures").unwrap();
    for transport in TRANSPORTS {
        let endpoint = name(transport);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut requests = server.requests_async(&reactor);
                let mut kept = Vec::new();
                for _ in 0..TASKS * CALLS {
                    kept.push(block_on(next(&mut requests)).unwrap().unwrap());
                    // Answers in another order than their requests.
                    if kept.len() == 3 {
                        kept.drain(..)
                            .rev()
                            .for_each(|request| request.reply(request.value().unwrap()).unwrap());
                    }
                    if kept.len() == 1 {
                        kept.drain(..).for_each(|request| request.reply(request.value().unwrap()).unwrap());
                    }
                }
            });
            for task in 0..TASKS {
                let (client, reactor) = (&client, &reactor);
                scope.spawn(move || {
                    for i in 0..CALLS {
                        let asked = task * 1_000 + i;
                        let answer = block_on(client.call_async(&Value::from(asked), reactor)).unwrap();
                        assert_eq!(number(&answer), asked);
                    }
                });
            }
        });
    }
}

#[test]
fn messages_of_one_subscriber_are_shared_by_tasks() {
    const TASKS: u64 = 4;
    const COUNT: u64 = 400;
    let reactor = Reactor::thread("futures").unwrap();
    for transport in TRANSPORTS {
        let endpoint = name(transport);
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        let _ = subscriber.try_recv();
        publisher.wait_for_subscribers(1, SOON).unwrap();
        let all = thread::scope(|scope| {
            let task = || {
                let take = |_| number(&block_on(subscriber.next_async(&reactor)).unwrap().unwrap());
                (0..COUNT / TASKS).map(take).collect::<Vec<_>>()
            };
            let tasks: Vec<_> = (0..TASKS).map(|_| scope.spawn(task)).collect();
            for i in 0..COUNT {
                publisher.send(&Value::from(i)).unwrap();
                if i % 16 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            tasks.into_iter().flat_map(|task| task.join().unwrap()).collect::<BTreeSet<_>>()
        });
        assert_eq!(all, (0..COUNT).collect(), "{transport}");
    }
}

#[test]
fn closing_ends_futures_and_streams() {
    let reactor = Reactor::thread("futures").unwrap();
    for transport in TRANSPORTS {
        let (near, _far) = pair(&name(transport), &reactor);
        let endpoint = name(transport);
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        let (server, listener) = (
            Server::serve(&name(transport), &Options::default()).unwrap(),
            Listener::listen(&name(transport), &Options::default()).unwrap(),
        );
        let begun = [0; 4].map(AtomicU32::new);
        thread::scope(|scope| {
            let received = scope.spawn(|| counted(&begun[0], near.recv_async(&reactor)).unwrap_err().kind());
            let messages =
                scope.spawn(|| counted(&begun[1], next(&mut subscriber.messages_async(&reactor))).is_none());
            let requests =
                scope.spawn(|| counted(&begun[2], next(&mut server.requests_async(&reactor))).is_none());
            let accepted =
                scope.spawn(|| counted(&begun[3], listener.accept_async(&reactor)).unwrap_err().kind());
            while begun.iter().any(|polls| polls.load(Ordering::SeqCst) == 0) {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(50));
            near.close(SOON).unwrap();
            subscriber.close();
            server.close(SOON).unwrap();
            listener.close();
            assert_eq!(received.join().unwrap(), ErrorKind::InvalidState);
            assert!(messages.join().unwrap() && requests.join().unwrap());
            assert_eq!(accepted.join().unwrap(), ErrorKind::InvalidState);
        });
    }
}

/// Futures wait for a restarted publisher or listener, like blocking calls.
#[test]
fn futures_go_on_after_a_restart_of_the_other_side() {
    let reactor = Reactor::thread("futures").unwrap();
    for transport in TRANSPORTS {
        let endpoint = name(transport);
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        for i in 0..5_u64 {
            thread::scope(|scope| {
                let received = scope.spawn(|| number(&block_on(subscriber.recv_async(&reactor)).unwrap()));
                let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
                publisher.send(&Value::from(i)).unwrap();
                assert_eq!(received.join().unwrap(), i);
            });
        }
    }
}

#[test]
fn thread_of_a_reactor_ends_with_its_last_handle() {
    let reactor = Reactor::new().unwrap();
    let turner = reactor.turner();
    assert!(turner.turn(Duration::ZERO).unwrap());
    let other = reactor.clone();
    drop(reactor);
    assert!(turner.turn(Duration::ZERO).unwrap());
    let turns = thread::spawn(move || while turner.turn(None).unwrap() {});
    drop(other);
    turns.join().unwrap();
}

fn counted<T>(polls: &AtomicU32, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    block_on(std::future::poll_fn(|context| {
        polls.fetch_add(1, Ordering::SeqCst);
        future.as_mut().poll(context)
    }))
}

/// An acknowledgement, or a listener, wakes a waiting sender, without a clock.
#[test]
fn future_of_a_sender_sleeps_until_there_is_room_or_a_link() {
    /// A clock of some milliseconds would wake it a hundred times in this period.
    const WAITS: Duration = Duration::from_millis(300);
    const FEW: u32 = 12;
    /// Other tests' new names also wake it, but not in each of these periods.
    const TIMES: u32 = 20;
    let reactor = Reactor::thread("futures").unwrap();
    let options = Options::default().with_replay(4, 1 << 20);
    for transport in TRANSPORTS {
        let (endpoint, polls) = (name(transport), AtomicU32::new(0));
        let near = Channel::dial(&endpoint, &options).unwrap();
        // Checked after the sender's end, because too many polls also end it.
        let (far, absent) = thread::scope(|scope| {
            let sent = scope.spawn(|| counted(&polls, near.send_async(&Value::from(0), &reactor)).unwrap());
            let mut waits = (0..TIMES).map(|_| {
                polls.store(0, Ordering::SeqCst);
                thread::sleep(WAITS);
                polls.load(Ordering::SeqCst)
            });
            let absent = waits.find(|polls| *polls <= FEW).unwrap_or(u32::MAX);
            let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
            let far = listener.accept(SOON).unwrap();
            assert_eq!(sent.join().unwrap(), 1);
            ((listener, far), absent)
        });
        polls.store(0, Ordering::SeqCst);
        for sent in 1..4 {
            near.send(&Value::from(sent), SOON).unwrap();
        }
        let full = thread::scope(|scope| {
            let sent = scope.spawn(|| counted(&polls, near.send_async(&Value::from(4), &reactor)).unwrap());
            thread::sleep(WAITS);
            let full = polls.load(Ordering::SeqCst);
            let received = (0..5).map(|_| number(&far.1.recv(SOON).unwrap())).collect::<Vec<_>>();
            assert_eq!((received, sent.join().unwrap()), ((0..5).collect(), 5), "{transport}");
            full
        });
        assert!(
            absent <= FEW && full <= FEW,
            "{transport}: {absent} polls without a listener, {full} without room"
        );
    }
}
