//! A listener that accepts connections and never answers delays no call on a connecting object.
//!
//! The number of connections shows it: a call that waited for the answer would begin another one.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::RawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::{Channel, ErrorKind, Listener, Options, Publisher, Subscriber, Value, Wait};

use crate::support::{SOON, name, readable};

const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];
/// The calls on each object.
const CALLS: usize = 20;

#[derive(Clone)]
enum At {
    File(PathBuf),
    Port(SocketAddr),
}

struct Silent {
    at: At,
    over: Arc<AtomicBool>,
    taken: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Silent {
    fn at(endpoint: &str) -> Silent {
        if let Some(address) = endpoint.strip_prefix("tcp://") {
            return Silent::over(TcpListener::bind(address).unwrap());
        }
        let (transport, name) = endpoint.split_once(':').unwrap();
        let folder = PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{}.{transport}", name.replace('/', "@")));
        let listener = UnixListener::bind(&path).unwrap();
        Silent::start(At::File(path), move || listener.accept().ok().map(|(stream, _)| stream))
    }

    fn over(listener: TcpListener) -> Silent {
        let at = At::Port(listener.local_addr().unwrap());
        Silent::start(at, move || listener.accept().ok().map(|(stream, _)| stream))
    }

    fn start<S: Send + 'static>(at: At, accept: impl Fn() -> Option<S> + Send + 'static) -> Silent {
        let (over, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (is_over, count) = (over.clone(), taken.clone());
        let thread = thread::spawn(move || {
            let mut kept = Vec::new();
            while let Some(stream) = accept() {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                count.fetch_add(1, Ordering::SeqCst);
                kept.push(stream);
            }
        });
        Silent { at, over, taken, thread: Some(thread) }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = match &self.at {
            At::File(path) => UnixStream::connect(path).map(drop),
            At::Port(address) => TcpStream::connect(address).map(drop),
        };
        let _ = self.thread.take().map(thread::JoinHandle::join);
        if let At::File(path) = &self.at {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn free(transport: &str) -> String {
    if transport != "tcp" {
        return name(transport);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp://{}", listener.local_addr().unwrap())
}

/// Runs calls with almost no time, each of which finds nothing.
///
/// An attempt lasts 5 s, so the listener sees one connection, and at most one more per 5 s.
fn takes_no_time(silent: &Silent, kinds: &[ErrorKind], calls: &[&dyn Fn() -> ErrorKind]) {
    let (began, before) = (Instant::now(), silent.taken.load(Ordering::SeqCst));
    for _ in 0..CALLS {
        for (number, call) in calls.iter().enumerate() {
            let kind = call();
            assert!(kinds.contains(&kind), "call {number}: {kind:?}");
        }
    }
    let whole = usize::try_from(began.elapsed().as_secs() / 5).unwrap() + 1;
    let taken = silent.taken.load(Ordering::SeqCst) - before;
    println!("{} calls took {:?}, with {taken} connections", CALLS * calls.len(), began.elapsed());
    assert!(taken <= whole, "{taken} connections for {} calls in {:?}", CALLS * calls.len(), began.elapsed());
}

const NOTHING: [ErrorKind; 4] =
    [ErrorKind::Empty, ErrorKind::Timeout, ErrorKind::Stalled, ErrorKind::Disconnected];

/// Waits on the descriptor until the peer's late value is received.
fn answers_later(descriptor: RawFd, mut received: impl FnMut() -> Option<Value>) {
    loop {
        if let Some(value) = received() {
            assert_eq!(value, Value::Int(7));
            break;
        }
        assert!(readable(descriptor, 60), "nothing wakes it");
    }
}

#[test]
fn silent_publisher_takes_no_time_of_the_calls_of_its_subscriber() {
    for transport in TRANSPORTS {
        let endpoint = free(transport);
        println!("{endpoint}");
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        let silent = Silent::at(&endpoint);
        let at_once = Duration::ZERO;
        takes_no_time(
            &silent,
            &NOTHING,
            &[
                &|| subscriber.try_recv().unwrap_err().kind(),
                &|| subscriber.recv(at_once).unwrap_err().kind(),
                &|| subscriber.recv(Duration::from_millis(1)).unwrap_err().kind(),
                &|| subscriber.next(Duration::from_millis(1)).unwrap_err().kind(),
                &|| subscriber.newest(at_once).unwrap_err().kind(),
                &|| match subscriber.poll() {
                    Ok(found) => {
                        assert!(!found);
                        ErrorKind::Empty
                    }
                    Err(error) => error.kind(),
                },
            ],
        );
        let descriptor = subscriber.fileno().unwrap();
        drop(silent);
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        publisher.send(&Value::Int(7)).unwrap();
        answers_later(descriptor, || {
            subscriber.try_recv().ok().map(|message| message.value().unwrap().clone())
        });
    }
}

/// A subscriber next to a silent publisher reports it: messages in that time are not counted.
#[test]
fn subscriber_says_that_its_publisher_did_not_answer() {
    for transport in TRANSPORTS {
        let endpoint = free(transport);
        let silent = Silent::at(&endpoint);
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        let events = subscriber.events();
        assert!(events.iter().any(|event| event.text.contains("does not answer")), "{events:?}");
        assert_eq!(silent.taken.load(Ordering::SeqCst), 1);
        // The attempt has had its time, so the error names it.
        let error = subscriber.recv(Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stalled, "{error}");
    }
}

#[test]
fn silent_listener_takes_no_time_of_the_calls_of_a_channel_that_connects_again() {
    for transport in TRANSPORTS {
        let endpoint = free(transport);
        println!("{endpoint}");
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let descriptor = channel.fileno().unwrap();
        let peer = listener.accept(SOON).unwrap();
        peer.send(&Value::Int(1), SOON).unwrap();
        assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
        drop((peer, listener));
        let silent = Silent::at(&endpoint);
        let short = Duration::from_millis(1);
        let kinds = [&NOTHING[..], &[ErrorKind::Full, ErrorKind::NotFound]].concat();
        takes_no_time(
            &silent,
            &kinds,
            &[
                &|| channel.try_recv().unwrap_err().kind(),
                &|| channel.recv(Duration::ZERO).unwrap_err().kind(),
                &|| channel.recv(short).unwrap_err().kind(),
                &|| channel.call(&Value::Int(2), short).unwrap_err().kind(),
                &|| match channel.poll() {
                    Ok(found) => {
                        assert!(!found);
                        ErrorKind::Empty
                    }
                    Err(error) => error.kind(),
                },
            ],
        );
        drop(silent);
        let next = Listener::listen(&endpoint, &Options::default()).unwrap();
        let sends = thread::spawn(move || {
            let peer = next.accept(SOON).unwrap();
            peer.send(&Value::Int(7), SOON).unwrap();
            // The end of its process would end the message.
            let _ = peer.close(SOON);
        });
        answers_later(descriptor, || channel.try_recv().ok().map(|message| message.value().unwrap().clone()));
        let _ = channel.try_recv();
        drop(channel);
        sends.join().unwrap();
    }
}

/// A call that makes an object also ends by its time-out.
#[test]
fn silent_listener_takes_no_more_of_a_connect_than_its_time() {
    for transport in TRANSPORTS {
        let endpoint = free(transport);
        let silent = Silent::at(&endpoint);
        let began = Instant::now();
        for _ in 0..CALLS {
            let error =
                Channel::connect(&endpoint, &Options::default(), Duration::from_millis(1)).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        }
        let half_seconds = Duration::from_millis(500) * u32::try_from(CALLS).unwrap();
        assert!(began.elapsed() < half_seconds, "{CALLS} calls of 1 ms took {:?}", began.elapsed());
        let error = Channel::connect(&endpoint, &Options::default(), Wait::none()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Stalled, "{error}");
        drop(silent);
    }
}
