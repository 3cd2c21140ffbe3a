//! Programs with closed standard streams, and programs that signals interrupt all the time.

use std::fs;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use linkspan::{Channel, EventKind, Options, Publisher, Server, Subscriber, Value};

use crate::support::{SOON, alone::alone, name};

type Open = Vec<Box<dyn std::any::Any>>;

fn call(transport: &str, calls: i64) -> Open {
    let endpoint = name(transport);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let client = thread::scope(|scope| {
        let served = scope.spawn(|| {
            for _ in 0..calls {
                let request = server.next(SOON).unwrap().unwrap();
                request.reply(&request.message().value().unwrap().clone()).unwrap();
            }
        });
        let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
        for number in 0..calls {
            let answer =
                client.call(&Value::Int(number), SOON).unwrap_or_else(|e| panic!("{transport}: {e}"));
            assert_eq!(answer.value().unwrap(), &Value::Int(number), "{transport}");
        }
        served.join().unwrap();
        client
    });
    let lost = |event: &linkspan::Event| event.kind == EventKind::Disconnected;
    assert!(!client.events().iter().any(lost), "{transport}: the link of the caller ended");
    assert!(!server.events().iter().any(lost), "{transport}: the link of the server ended");
    vec![Box::new(server), Box::new(client)]
}

fn publish(transport: &str) -> Open {
    let endpoint = name(transport);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
    publisher.send(&Value::Int(7)).unwrap();
    let received = subscriber.recv(SOON).unwrap_or_else(|e| panic!("{transport}: {e}"));
    assert_eq!(received.value().unwrap(), &Value::Int(7), "{transport}");
    vec![Box::new(publisher), Box::new(subscriber)]
}

#[test]
fn no_descriptor_of_the_library_has_the_number_of_a_standard_stream() {
    alone!(no_descriptor_of_the_library_has_the_number_of_a_standard_stream);
    drop(name("unix"));
    let streams: Vec<RawFd> = vec![0, 1, 2];
    // SAFETY: only numbers; nobody else in this process uses these streams until they are restored.
    let kept =
        streams.iter().map(|fd| unsafe { libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, 100) }).collect::<Vec<_>>();
    // SAFETY: as above.
    streams.iter().for_each(|fd| assert_eq!(unsafe { libc::close(*fd) }, 0));
    let found = thread::spawn(|| {
        let mut open = Open::new();
        for transport in ["shm", "unix", "tcp", "fifo", "spool"] {
            open.extend(call(transport, 1));
        }
        for transport in ["shm", "unix", "tcp", "file", "journal"] {
            open.extend(publish(transport));
        }
        open.push(Box::new(Subscriber::of(&["test/*"], &Options::default()).unwrap()));
        let opened = (0..=2).map(|fd| fs::read_link(format!("/proc/self/fd/{fd}"))).collect::<Vec<_>>();
        // Reading the table uses no further number, because each entry is read by its name.
        drop(open);
        opened
    })
    .join();
    for (fd, kept) in streams.iter().zip(kept) {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::dup2(kept, *fd) }, *fd);
    }
    let found = found.unwrap();
    assert!(found.iter().all(Result::is_err), "the library has standard streams: {found:?}");
}

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn calls_that_are_interrupted_all_the_time_keep_their_links() {
    alone!(calls_that_are_interrupted_all_the_time_keep_their_links);
    drop(name("unix"));
    // SAFETY: the handler touches only an atomic; both structures live through the calls.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as *const () as libc::sighandler_t;
        assert_eq!(libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()), 0);
        let every = libc::timeval { tv_sec: 0, tv_usec: 200 };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        assert_eq!(libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()), 0);
    }
    for transport in ["shm", "unix", "tcp", "fifo", "spool"] {
        drop(call(transport, 2_000));
    }
    for transport in ["shm", "unix", "tcp"] {
        drop(publish(transport));
    }
    // SAFETY: as above; the timer ends.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &std::mem::zeroed(), std::ptr::null_mut()) };
    assert!(SIGNALS.load(Ordering::Relaxed) > 100, "{SIGNALS:?} signals");
}
