//! One object in several threads: sends and publications take turns, calls run together, a second receiver is
//! refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::{
    Channel, Encoding, ErrorKind, Limits, Listener, Options, Publisher, Server, Subscriber, Timeout, Value,
    Wait, connect, serve,
};

use crate::support::{SOON, name};

const THREADS: i64 = 6;
const EACH: i64 = 100;

fn echo(endpoint: &str) -> (Arc<Server>, thread::JoinHandle<()>) {
    let server = Arc::new(serve(endpoint).unwrap());
    let answers = server.clone();
    let thread = thread::spawn(move || answers.run(|request| request.value().cloned()).unwrap());
    (server, thread)
}

fn each_thread_gets_its_own_answers(transport: &str) {
    let endpoint = name(transport);
    let (server, answers) = echo(&endpoint);
    let channel = connect(&endpoint).unwrap();
    thread::scope(|s| {
        for t in 0..THREADS {
            let channel = &channel;
            s.spawn(move || {
                for i in 0..EACH {
                    let asked = Value::Int(t * EACH + i);
                    assert_eq!(channel.call(&asked, SOON).unwrap().value().unwrap(), &asked);
                }
            });
        }
    });
    channel.close(SOON).unwrap();
    server.close(SOON).unwrap();
    answers.join().unwrap();
}

#[test]
fn calls_of_many_threads_on_one_channel_are_each_answered() {
    for transport in ["shm", "unix", "tcp", "fifo", "spool"] {
        each_thread_gets_its_own_answers(transport);
    }
}

/// Each write takes little, so the senders wait for room in the middle of each other.
fn all_is_sent(transport: &str) {
    let mut options = Options::default();
    options.set("replay_count", &Value::Int(5)).unwrap();
    let listener = Listener::listen(&name(transport), &options).unwrap();
    let a = Channel::connect(&listener.endpoint(), &options, SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    thread::scope(|s| {
        for t in 0..THREADS {
            let a = &a;
            s.spawn(move || {
                for i in 0..EACH {
                    a.send(&Value::Array(vec![Value::Int(t), Value::Int(i)]), SOON).unwrap();
                }
            });
        }
        let mut next: BTreeMap<i64, i64> = BTreeMap::new();
        for _ in 0..THREADS * EACH {
            let message = b.recv(SOON).unwrap();
            let pair = message.value().unwrap().as_array().unwrap().to_vec();
            let expected = next.entry(pair[0].as_i64().unwrap()).or_default();
            assert_eq!(pair[1].as_i64().unwrap(), *expected, "what one thread sends comes in its order");
            *expected += 1;
        }
        assert_eq!(b.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    });
}

#[test]
fn messages_of_many_threads_on_one_channel_arrive_in_order_per_thread() {
    for transport in ["shm", "unix", "tcp", "fifo"] {
        all_is_sent(transport);
    }
}

#[derive(Default)]
struct CancellableWait {
    begun: AtomicBool,
    leave: AtomicBool,
}

impl CancellableWait {
    fn waits<T>(&self, call: impl FnOnce(Wait<'_>) -> linkspan::Result<T>) {
        let mut tick = || {
            self.begun.store(true, Ordering::SeqCst);
            match self.leave.load(Ordering::SeqCst) {
                true => Err(linkspan::Error::new(ErrorKind::Cancelled, "the test goes on")),
                false => Ok(()),
            }
        };
        let ended = call(Wait::new(SOON).tick(&mut tick)).map(drop);
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    }

    fn await_begin(&self) {
        let until = Instant::now() + SOON;
        while !self.begun.load(Ordering::SeqCst) {
            assert!(Instant::now() < until, "the other thread did not begin to wait");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(&self) {
        self.leave.store(true, Ordering::SeqCst);
    }
}

#[test]
fn calls_of_several_threads_are_under_way_together() {
    for transport in ["shm", "unix", "tcp", "fifo", "spool"] {
        let server = serve(&name(transport)).unwrap();
        let channel = connect(server.endpoint()).unwrap();
        thread::scope(|s| {
            let calls: Vec<_> = (0..4)
                .map(|i| {
                    let channel = &channel;
                    s.spawn(move || channel.call(&Value::Int(i), SOON).unwrap().value().unwrap().clone())
                })
                .collect();
            // Each call gets its own answer in any order, without waiting for another's.
            let mut requests: Vec<_> = (0..4).map(|_| server.next(SOON).unwrap().unwrap()).collect();
            requests.sort_by_key(|request| std::cmp::Reverse(request.sequence()));
            for request in &requests {
                request.reply(request.value().unwrap()).unwrap();
            }
            for (i, call) in (0..4).zip(calls) {
                assert_eq!(call.join().unwrap(), Value::Int(i), "{transport}");
            }
        });
        let Value::Map(stats) = channel.stats() else { panic!("a map") };
        assert_eq!(stats.get("dropped"), Some(&Value::Int(0)), "{transport}");
    }
}

#[test]
fn call_beside_one_that_waits_has_a_time_out_of_its_own() {
    let endpoint = name("unix");
    let server = serve(&endpoint).unwrap();
    let channel = connect(&endpoint).unwrap();
    let held = CancellableWait::default();
    let first = thread::scope(|s| {
        s.spawn(|| held.waits(|wait| channel.call(&Value::Null, wait)));
        let first = server.next(SOON).unwrap().unwrap();
        let error = channel.call(&Value::Int(2), Duration::from_millis(50)).unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (ErrorKind::Timeout, false), "{error}");
        assert!(error.text().contains("the request was sent") && error.text().contains("0.05 s"), "{error}");
        channel.send(&Value::Int(3), SOON).unwrap();
        let received = server.next(SOON).unwrap().unwrap();
        assert_eq!(received.value().unwrap(), &Value::Int(3), "the request that was given up is withdrawn");
        held.end();
        first
    });
    drop(first);
    // The next one leads.
    let server = Arc::new(server);
    let answering = server.clone();
    let thread = thread::spawn(move || answering.run(|request| request.value().cloned()).unwrap());
    assert_eq!(channel.call(&Value::Int(4), SOON).unwrap().value().unwrap(), &Value::Int(4));
    server.close(SOON).unwrap();
    thread.join().unwrap();
}

/// Calls under way fail at once, and the next call reaches the server's successor.
#[test]
fn end_of_the_peer_ends_the_calls_of_all_threads() {
    for transport in ["shm", "unix", "tcp"] {
        let server = serve(&name(transport)).unwrap();
        let endpoint = server.endpoint().to_owned();
        let channel = connect(&endpoint).unwrap();
        thread::scope(|s| {
            let calls: Vec<_> =
                (0..3).map(|_| s.spawn(|| channel.call(&Value::Null, SOON).unwrap_err())).collect();
            let requests: Vec<_> = (0..3).map(|_| server.next(SOON).unwrap().unwrap()).collect();
            requests.into_iter().for_each(std::mem::forget);
            drop(server);
            for call in calls {
                let error = call.join().unwrap();
                assert_eq!(error.kind(), ErrorKind::Disconnected, "{transport}: {error}");
                // At once, and not because no server came within the time.
                assert!(error.text().contains("before it answered"), "{transport}: {error}");
            }
        });
        let (server, answers) = echo(&endpoint);
        assert_eq!(channel.call(&Value::Int(4), SOON).unwrap().value().unwrap(), &Value::Int(4));
        server.close(SOON).unwrap();
        answers.join().unwrap();
    }
}

/// Messages mostly arrive while the other side polls; other threads receive, send and finally close.
#[test]
fn short_wait_for_a_message_shares_the_direction() {
    for _ in 0..5 {
        let listener = Listener::listen(&name("shm"), &Options::default()).unwrap();
        let a = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
        let b = listener.accept(SOON).unwrap();
        let (ends, got) = (AtomicBool::new(false), std::sync::Mutex::new(Vec::new()));
        let take = |wait| match a.recv(wait) {
            Ok(message) => {
                let Value::Int(number) = *message.value().unwrap() else { panic!("no number came") };
                got.lock().unwrap().push(number);
                number == -1
            }
            Err(e) => {
                let kinds =
                    [ErrorKind::InvalidState, ErrorKind::Timeout, ErrorKind::NotFound, ErrorKind::Empty];
                assert!(kinds.contains(&e.kind()), "{e}");
                false
            }
        };
        thread::scope(|s| {
            s.spawn(|| {
                while let Ok(message) = b.recv(SOON) {
                    b.send(message.value().unwrap(), SOON).unwrap();
                }
            });
            s.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    take(Duration::ZERO);
                    thread::sleep(Duration::from_micros(50));
                }
            });
            for i in 0..2000 {
                a.send(&Value::Int(i), SOON).unwrap();
                take(Duration::from_millis(1));
            }
            a.send(&Value::Int(-1), SOON).unwrap();
            let until = Instant::now() + SOON;
            while !got.lock().unwrap().contains(&-1) {
                assert!(Instant::now() < until, "the last message does not come");
                take(Duration::from_millis(20));
            }
            ends.store(true, Ordering::Relaxed);
            // A close waits for a thread that polls, and ends its wait.
            let waits = s.spawn(|| a.recv(SOON).unwrap_err().kind());
            a.close(SOON).unwrap();
            waits.join().unwrap();
        });
        let mut got = got.into_inner().unwrap();
        got.sort_unstable();
        assert_eq!(got, (-1..2000).collect::<Vec<_>>());
    }
}

#[test]
fn call_while_another_thread_receives_is_refused_at_once() {
    let listener = Listener::listen(&name("unix"), &Options::default()).unwrap();
    let channel = connect(&listener.endpoint()).unwrap();
    let _peer = listener.accept(SOON).unwrap();
    let held = CancellableWait::default();
    thread::scope(|s| {
        s.spawn(|| held.waits(|wait| channel.recv(wait)));
        held.await_begin();
        let error = channel.call(&Value::Null, Timeout::Forever).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState);
        assert!(error.text().contains("another thread receives"), "{error}");
        held.end();
    });
}

/// A callback that calls on its own channel would wait for itself.
#[test]
fn call_from_a_callback_of_a_call_is_refused() {
    let endpoint = name("unix");
    let server = serve(&endpoint).unwrap();
    let channel = connect(&endpoint).unwrap();
    let mut inner = None;
    let mut tick = || {
        inner = Some(channel.call(&Value::Null, Timeout::Forever).map(drop).unwrap_err());
        Err(linkspan::Error::new(ErrorKind::Cancelled, "seen"))
    };
    let outer = channel.call(&Value::Null, Wait::new(SOON).tick(&mut tick)).unwrap_err();
    assert_eq!(outer.kind(), ErrorKind::Cancelled);
    let inner = inner.unwrap();
    assert!(inner.kind() == ErrorKind::InvalidState && inner.text().contains("this thread calls"), "{inner}");
    drop(server);
}

/// The callbacks of the leading and a waiting call each wait for the answer to another thread's call.
#[test]
fn callback_of_a_call_holds_up_no_other_call() {
    for transport in ["shm", "unix", "tcp", "fifo", "spool"] {
        let server = serve(&name(transport)).unwrap();
        let channel = connect(server.endpoint()).unwrap();
        let is_answered = (Mutex::new(false), Condvar::new());
        let waiters = AtomicUsize::new(0);
        let waits_for_the_other = || {
            waiters.fetch_add(1, Ordering::SeqCst);
            let answered = is_answered.0.lock().unwrap();
            let (answered, _) = is_answered.1.wait_timeout_while(answered, SOON, |is| !*is).unwrap();
            match *answered {
                true => Ok(()),
                false => Err(linkspan::Error::new(ErrorKind::Cancelled, "the other call has no answer")),
            }
        };
        thread::scope(|s| {
            let slow: Vec<_> = (0..2)
                .map(|i| {
                    let (channel, waits) = (&channel, &waits_for_the_other);
                    s.spawn(move || {
                        let mut tick = waits;
                        channel.call(&Value::Int(i), Wait::new(SOON).tick(&mut tick)).unwrap()
                    })
                })
                .collect();
            let requests = [server.next(SOON).unwrap().unwrap(), server.next(SOON).unwrap().unwrap()];
            let until = Instant::now() + SOON;
            while waiters.load(Ordering::SeqCst) < 2 {
                assert!(Instant::now() < until, "{transport}: a callback does not run");
                thread::sleep(Duration::from_millis(1));
            }
            let third = s.spawn(|| channel.call(&Value::Int(2), SOON).unwrap());
            let request = server.next(SOON).unwrap().unwrap();
            // The third call receives the others' answers, which their callbacks keep them from taking.
            requests.iter().chain([&request]).for_each(|r| r.reply(r.value().unwrap()).unwrap());
            assert_eq!(third.join().unwrap().value().unwrap(), &Value::Int(2), "{transport}");
            *is_answered.0.lock().unwrap() = true;
            is_answered.1.notify_all();
            for (i, call) in (0..).zip(slow) {
                assert_eq!(call.join().unwrap().value().unwrap(), &Value::Int(i), "{transport}");
            }
        });
        let Value::Map(stats) = channel.stats() else { panic!("a map") };
        assert_eq!(stats.get("dropped"), Some(&Value::Int(0)), "{transport}");
    }
}

#[test]
fn close_ends_the_calls_of_all_threads() {
    let endpoint = name("unix");
    let server = serve(&endpoint).unwrap();
    let channel = connect(&endpoint).unwrap();
    thread::scope(|s| {
        let callers: Vec<_> =
            (0..3).map(|_| s.spawn(|| channel.call(&Value::Null, None).unwrap_err())).collect();
        let request = server.next(SOON).unwrap().unwrap();
        drop(channel.close(Duration::from_millis(100)));
        for caller in callers {
            let error = caller.join().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
        }
        drop(request);
    });
}

fn publishes_from_many_threads(transport: &str) {
    let publisher = Publisher::new(&name(transport), &Options::default()).unwrap();
    let mut options = Options::default();
    if transport == "journal" {
        options.set("from", &"first".into()).unwrap();
    }
    let subscriber = Subscriber::new(publisher.endpoint(), &options).unwrap();
    thread::scope(|s| {
        for t in 0..THREADS {
            let publisher = &publisher;
            s.spawn(move || {
                for i in 0..EACH {
                    publisher.send(&Value::Int(t * EACH + i)).unwrap();
                }
            });
        }
    });
    let mut got = Vec::new();
    for number in 1..=(THREADS * EACH) as u64 {
        let message = subscriber.recv(SOON).unwrap();
        assert_eq!(message.sequence(), number);
        got.push(message.value().unwrap().as_i64().unwrap());
    }
    got.sort_unstable();
    assert_eq!(got, (0..THREADS * EACH).collect::<Vec<_>>(), "{transport}");
}

#[test]
fn publisher_takes_values_of_many_threads() {
    for transport in ["shm", "unix", "tcp", "journal"] {
        publishes_from_many_threads(transport);
    }
}

#[test]
fn listener_gives_its_peers_to_many_threads() {
    let listener = Listener::listen(&name("unix"), &Options::default()).unwrap();
    thread::scope(|s| {
        let accepting: Vec<_> = (0..4).map(|_| s.spawn(|| listener.accept(SOON).unwrap())).collect();
        let made: Vec<_> = (0..4)
            .map(|n| {
                let channel = connect(&listener.endpoint()).unwrap();
                channel.send(&Value::Int(n), SOON).unwrap();
                channel
            })
            .collect();
        let mut got: Vec<i64> = accepting
            .into_iter()
            .map(|thread| thread.join().unwrap().recv(SOON).unwrap().value().unwrap().as_i64().unwrap())
            .collect();
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2, 3]);
        drop(made);
    });
}

/// The error of a second thread names the alternative: a name has one server.
#[test]
fn second_thread_that_receives_requests_is_refused() {
    let server = serve(&name("unix")).unwrap();
    let held = CancellableWait::default();
    thread::scope(|s| {
        s.spawn(|| held.waits(|wait| server.next(wait)));
        held.await_begin();
        let error = server.next(SOON).unwrap_err();
        assert!(
            error.kind() == ErrorKind::InvalidState && error.text().contains("any thread may answer"),
            "{error}"
        );
        held.end();
    });
}

/// Loops wait without end by default, whatever the option `timeout` of other calls.
#[test]
fn next_without_a_time_out_outlasts_the_option_of_that_name() {
    let mut options = Options::default();
    options.set("timeout", &Value::Float(0.05)).unwrap();
    let server = Server::serve(&name("unix"), &options).unwrap();
    let publisher = Publisher::new(&name("unix"), &Options::default()).unwrap();
    let subscriber = Subscriber::new(publisher.endpoint(), &options).unwrap();
    assert_eq!(subscriber.recv(Timeout::Default).unwrap_err().kind(), ErrorKind::Timeout);
    thread::scope(|s| {
        s.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            publisher.send(&Value::Int(1)).unwrap();
            assert_eq!(
                connect(server.endpoint()).unwrap().call(&Value::Null, SOON).unwrap().value().unwrap(),
                &Value::Null
            );
        });
        assert!(subscriber.next(Timeout::Default).unwrap().is_some());
        server.next(Timeout::Default).unwrap().unwrap().reply(&Value::Null).unwrap();
    });
    assert_eq!(server.next(Duration::from_millis(20)).unwrap_err().kind(), ErrorKind::Timeout);
}

#[test]
fn close_out_of_a_callback_of_its_own_wait_ends_that_wait() {
    let server = serve(&name("unix")).unwrap();
    let mut tick = || server.close(SOON);
    assert!(server.next(Wait::new(None).tick(&mut tick)).unwrap().is_none());
    serve(server.endpoint()).unwrap();

    let subscriber = Subscriber::new(&name("unix"), &Options::default()).unwrap();
    let mut tick = || {
        subscriber.close();
        Ok(())
    };
    assert!(subscriber.next(Wait::new(None).tick(&mut tick)).unwrap().is_none());

    let listener = Listener::listen(&name("unix"), &Options::default()).unwrap();
    let channel = connect(&listener.endpoint()).unwrap();
    let mut tick = || channel.close(SOON);
    let error = channel.recv(Wait::new(SOON).tick(&mut tick)).unwrap_err();
    assert!(
        error.kind() == ErrorKind::InvalidState && error.text().contains("end that call first"),
        "{error}"
    );
    let peer = listener.accept(SOON).unwrap();
    channel.send(&Value::Int(1), SOON).unwrap();
    assert_eq!(peer.recv(SOON).unwrap().value().unwrap(), &Value::Int(1), "it is not closed");
}

#[test]
fn finish_of_a_call_that_is_refused_in_a_callback_leaves_the_request() {
    for transport in ["shm", "unix"] {
        let server = serve(&name(transport)).unwrap();
        let channel = connect(server.endpoint()).unwrap();
        let pending = channel
            .start_call(&linkspan::Payload::new(&7, Encoding::Cbor, &Limits::default()).unwrap(), SOON)
            .unwrap();
        let mut tick = || {
            let error = channel.finish_call(&pending, SOON).unwrap_err();
            assert!(
                error.kind() == ErrorKind::InvalidState && error.text().contains("this thread calls"),
                "{error}"
            );
            Err(error)
        };
        assert_eq!(
            channel.recv(Wait::new(SOON).tick(&mut tick)).unwrap_err().kind(),
            ErrorKind::InvalidState
        );
        let request = server.next(SOON).unwrap().unwrap();
        request.reply(&8).unwrap();
        assert_eq!(
            channel.finish_call(&pending, SOON).unwrap().value().unwrap(),
            &Value::Int(8),
            "{transport}"
        );
    }
}

#[test]
fn threads_that_wait_for_the_same_first_peer_both_have_its_link() {
    for turn in 0..200 {
        let name = name("shm");
        let options = Options::default();
        let waits = Channel::open(&name, &options, SOON).unwrap();
        thread::scope(|s| {
            let sent = s.spawn(|| waits.send(&Value::Int(1), SOON));
            let came = s.spawn(|| waits.recv(SOON));
            let comes = Channel::connect(&name, &options, SOON).unwrap();
            comes.send(&Value::Int(2), SOON).unwrap();
            assert_eq!(comes.recv(SOON).unwrap().value().unwrap(), &Value::Int(1), "turn {turn}");
            sent.join().unwrap().unwrap();
            came.join().unwrap().unwrap();
        });
    }
}

/// The sender receives acknowledgements, and reconnects after the peer's end.
fn sender_goes_on_while_another_thread_asks_to_receive(transport: &str) {
    const COUNT: i64 = 30;
    let (endpoint, mut options) = (name(transport), Options::default());
    options.set("replay_count", &Value::Int(3)).unwrap();
    let peer = Channel::open(&endpoint, &options, Duration::ZERO).unwrap();
    let channel = Channel::connect(&endpoint, &options, SOON).unwrap();
    thread::scope(|s| {
        let sending = s.spawn(|| (0..COUNT).try_for_each(|i| channel.send(&Value::Int(i), SOON).map(drop)));
        // The fourth waits for the peer to consume the first.
        peer.recv(SOON).unwrap();
        thread::sleep(Duration::from_millis(50));
        drop(peer);
        // In nearly all of these the sender waits for the peer.
        for _ in 0..60 {
            let error = channel.recv(Duration::from_millis(5)).unwrap_err();
            let expected = [ErrorKind::Timeout, ErrorKind::Disconnected, ErrorKind::NotFound];
            assert!(expected.contains(&error.kind()), "{transport}: {error:?}");
        }
        assert!(!sending.is_finished(), "{transport}: {:?}", sending.join());
        let peer = Channel::open(&endpoint, &options, SOON).unwrap();
        for i in 0..COUNT {
            let message = peer
                .recv(SOON)
                .unwrap_or_else(|e| panic!("{transport}: {i}: {e:?}, {}", sending.is_finished()));
            assert_eq!(message.value().unwrap(), &Value::Int(i), "{transport}");
        }
        sending.join().unwrap().unwrap();
        peer.close(SOON).unwrap();
    });
    channel.close(SOON).unwrap();
}

#[test]
fn receiving_thread_waits_its_own_time_beside_a_sender_that_connects_anew_and_both_go_on() {
    for transport in ["shm", "unix", "tcp"] {
        sender_goes_on_while_another_thread_asks_to_receive(transport);
    }
}

#[test]
fn stats_of_a_server_never_make_its_next_call_fail() {
    let server = Server::serve(&name("unix"), &Options::default()).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asks = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(server.stats().at("clients").unwrap().as_u64().unwrap(), 0);
            }
        });
        let kinds: std::collections::BTreeSet<String> =
            (0..100_000).map(|_| format!("{:?}", server.next(Wait::none()).unwrap_err().kind())).collect();
        is_over.store(true, Ordering::Relaxed);
        asks.join().unwrap();
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["Timeout"]);
    });
}
