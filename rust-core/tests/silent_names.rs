//! A silent name takes no time of any call, and appearing names do not starve messages.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::{ErrorKind, EventKind, Options, Publisher, Subscriber, Value, Wait, latest};

use crate::support::{SOON, name, readable};

struct Silent {
    paths: Vec<PathBuf>,
    over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<usize>>,
}

impl Silent {
    fn at(folder: &str, count: usize) -> Silent {
        let directory = PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
        std::fs::create_dir_all(&directory).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let mut silent = Silent { paths: Vec::new(), over: over.clone(), threads: Vec::new() };
        for i in 0..count {
            let path = directory.join(format!("{}@silent-{i}.unix", folder.replace('/', "@")));
            let listener = UnixListener::bind(&path).unwrap();
            let over = over.clone();
            silent.paths.push(path);
            silent.threads.push(thread::spawn(move || {
                let mut kept = Vec::new();
                while let Ok((mut stream, _)) = listener.accept() {
                    // A hello begins differently, and comes with the connection.
                    if over.load(Ordering::SeqCst) && is_end(&mut stream) {
                        break;
                    }
                    kept.push(stream);
                }
                kept.len()
            }));
        }
        silent
    }

    fn end(mut self) -> Vec<usize> {
        self.hang_up();
        self.threads.drain(..).map(|thread| thread.join().unwrap()).collect()
    }

    fn hang_up(&self) {
        self.over.store(true, Ordering::SeqCst);
        for path in &self.paths {
            let _ = UnixStream::connect(path).and_then(|mut stream| stream.write_all(b"!"));
            let _ = std::fs::remove_file(path);
        }
    }
}

fn is_end(stream: &mut UnixStream) -> bool {
    let mut first = [0];
    stream.read_exact(&mut first).is_ok() && first == *b"!"
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.hang_up();
    }
}

fn folder() -> String {
    name("shm").split_once(':').unwrap().1.to_owned()
}

/// Checks that calls that do not wait return within the time of one silent name, half a second.
fn takes_no_time(subscriber: &Subscriber, names: usize) {
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    }
    let whole = Duration::from_millis(500) * u32::try_from(names).unwrap();
    println!("ten calls beside {names} silent names took {:?}", began.elapsed());
    assert!(began.elapsed() < 10 * whole, "each call waits for each name");
}

fn good_names_are_received_beside(count: usize, names: impl Fn(&str) -> Vec<String>) {
    let folder = folder();
    let silent = Silent::at(&folder, count);
    let good = Publisher::new(&format!("shm:{folder}/good"), &Options::default()).unwrap();
    let names = names(&folder);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let subscriber = Subscriber::of(&names, &Options::default()).unwrap();
    takes_no_time(&subscriber, count);
    let error = subscriber.recv(Duration::from_millis(200)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    for i in 0..100 {
        good.send(&Value::Int(i)).unwrap();
        assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
    }
    let later = Publisher::new(&format!("shm:{folder}/later"), &Options::default()).unwrap();
    later.send(&Value::Int(7)).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(7));
    // They are retried with pauses, and reported.
    let mut told = std::collections::BTreeSet::new();
    let deadline = Instant::now() + 3 * SOON;
    while told.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} are told", told.len());
        assert_eq!(subscriber.recv(Duration::from_millis(100)).unwrap_err().kind(), ErrorKind::Timeout);
        let lost = subscriber.events().into_iter().filter(|event| event.kind == EventKind::Disconnected);
        told.extend(lost.map(|event| event.text).filter(|text| text.contains("/silent-")));
    }
    assert!(subscriber.gaps().iter().filter(|gap| gap.until.is_none()).count() >= count);
    subscriber.close();
    let connections = silent.end();
    assert!(connections.iter().all(|count| *count < 20), "{connections:?}");
}

#[test]
fn silent_names_of_a_pattern_delay_no_call() {
    good_names_are_received_beside(6, |folder| vec![format!("{folder}/*")]);
}

#[test]
fn silent_names_of_a_list_delay_no_call() {
    good_names_are_received_beside(6, |folder| {
        let silent = (0..6).map(|i| format!("unix:{folder}/silent-{i}"));
        silent.chain(["good", "later"].map(|end| format!("shm:{folder}/{end}"))).collect()
    });
}

/// The last listener takes no connection, because its queue is full.
#[test]
fn silent_tcp_addresses_of_a_list_delay_no_call() {
    let folder = folder();
    let listeners: Vec<TcpListener> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let at: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let good = Publisher::new(&format!("shm:{folder}/good"), &Options::default()).unwrap();
    let over_tcp = Publisher::new("tcp://127.0.0.1:0", &Options::default()).unwrap();
    let mut names: Vec<String> = at.iter().map(|at| format!("tcp://{at}")).collect();
    names.extend([over_tcp.endpoint().to_owned(), format!("shm:{folder}/good")]);
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let address = full.local_addr().unwrap();
    let connections: Vec<_> =
        (0..4).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200))).collect();
    names.push(format!("tcp://{address}"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let subscriber = Subscriber::of(&names, &Options::default()).unwrap();
    takes_no_time(&subscriber, 7);
    good.send(&Value::Int(1)).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
    over_tcp.send(&Value::Int(2)).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(2));
    subscriber.close();
    drop((listeners, full, connections));
}

#[test]
fn tcp_address_that_listens_later_is_received() {
    let place = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let name = format!("tcp://{address}");
    let folder = folder();
    let good = Publisher::new(&format!("shm:{folder}/good"), &Options::default()).unwrap();
    let names = [&*name, &format!("shm:{folder}/good")];
    let subscriber = Subscriber::of(&names, &Options::default()).unwrap();
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    let publisher = Publisher::new(&name, &Options::default()).unwrap();
    publisher.send(&Value::Int(3)).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(3));
    good.send(&Value::Int(4)).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(4));
}

/// All silent names have their time together.
#[test]
fn silent_names_delay_the_newest_value_of_a_pattern_once() {
    let folder = folder();
    let silent = Silent::at(&folder, 12);
    let good = Publisher::new(&format!("shm:{folder}/good"), &Options::default()).unwrap();
    let stream = Publisher::new(&format!("unix:{folder}/stream"), &Options::default()).unwrap();
    good.send(&Value::Int(1)).unwrap();
    stream.send(&Value::Int(2)).unwrap();
    let began = Instant::now();
    let newest = latest(&format!("{folder}/*"), &Options::default(), Wait::none()).unwrap();
    println!("it took {:?}", began.elapsed());
    assert!(began.elapsed() < 12 * Duration::from_millis(500), "it waits for each name");
    assert_eq!(
        (newest.value().unwrap(), newest.name()),
        (&Value::Int(2), Some(&*format!("unix:{folder}/stream")))
    );
    assert!(silent.end().iter().all(|count| *count <= 2));
}

/// Each try at a silent publisher lasts half a second, so their number tells the length of a call.
#[test]
fn silent_publisher_takes_no_time_beyond_that_of_a_call_for_its_newest_value() {
    let tries = |timeout: Duration, suffix: &str| {
        let folder = folder();
        let silent = Silent::at(&folder, 1);
        let error = latest(&format!("unix:{folder}/{suffix}"), &Options::default(), timeout).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Stalled | ErrorKind::Timeout), "{error}");
        // The end of the listener is one more connection, which it does not keep.
        silent.end()[0]
    };
    let short = Duration::from_millis(1);
    for suffix in ["silent-0", "silent-*"] {
        assert_eq!(tries(short, suffix), 1, "{suffix}: it goes on behind its time-out");
    }
    // With time left, it tries again; a busy machine may use up that time.
    let again = (0..30).map(|_| tries(Duration::from_millis(900), "silent-0")).find(|tries| *tries != 1);
    assert_eq!(again, Some(2));
}

#[test]
fn three_hundred_silent_names_delay_no_call() {
    let folder = folder();
    let _silent = Silent::at(&folder, 300);
    let good = Publisher::new(&format!("shm:{folder}/good"), &Options::default()).unwrap();
    let subscriber = Subscriber::new(&format!("{folder}/*"), &Options::default()).unwrap();
    takes_no_time(&subscriber, 300);
    good.send(&Value::Int(1)).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
}

#[test]
fn silent_name_that_answers_later_is_received() {
    let folder = folder();
    let silent = Silent::at(&folder, 1);
    let subscriber = Subscriber::new(&format!("{folder}/*"), &Options::default()).unwrap();
    let descriptor = subscriber.fileno().unwrap();
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    silent.end();
    let publisher = Publisher::new(&format!("unix:{folder}/silent-0"), &Options::default()).unwrap();
    publisher.send(&Value::Int(3)).unwrap();
    loop {
        assert!(readable(descriptor, 60), "nothing wakes it");
        if let Ok(message) = subscriber.try_recv() {
            assert_eq!(message.value().unwrap(), &Value::Int(3));
            break;
        }
    }
    let gaps = subscriber.gaps();
    assert!(gaps.iter().all(|gap| gap.until.is_some()), "{gaps:?}");
}

fn churn(folder: &str, number: usize, over: &AtomicBool) -> u64 {
    churn_some(folder, number, over, usize::MAX)
}

fn churn_some(folder: &str, number: usize, over: &AtomicBool, most: usize) -> u64 {
    let directory = std::env::var("LINKSPAN_DIR").unwrap();
    let mut made = 0;
    while !over.load(Ordering::Relaxed) && made < most as u64 {
        let path = Path::new(&directory).join(format!(
            "{}@n{number}-{}.unix",
            folder.replace('/', "@"),
            made % 1000
        ));
        drop(UnixListener::bind(&path).unwrap());
        // Another program may have removed the file of a dead one.
        let _ = std::fs::remove_file(&path);
        made += 1;
    }
    made
}

#[test]
fn names_that_come_and_go_starve_no_messages() {
    let folder = folder();
    let publisher = Publisher::new(&format!("shm:{folder}/good"), &Options::default()).unwrap();
    let subscriber = Subscriber::new(&format!("{folder}/*"), &Options::default()).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|s| {
        let (folder, over) = (&folder, &over);
        let churning = [0, 1].map(|number| s.spawn(move || churn(folder, number, over)));
        for i in 0..2000 {
            publisher.send(&Value::Int(i)).unwrap();
            assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
        }
        // A call ends in time while names keep appearing, and a call that does not wait returns.
        for _ in 0..5 {
            let error = subscriber.recv(Duration::from_millis(50)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        }
        over.store(true, Ordering::Relaxed);
        let made: u64 = churning.into_iter().map(|thread| thread.join().unwrap()).sum();
        println!("{made} names came and went");
    });
}

fn tried(subscriber: &Subscriber) -> usize {
    let Value::Map(stats) = subscriber.stats() else { panic!("the counters are a map") };
    let Some(Value::Map(names)) = stats.get("names") else { panic!("the counters have those of each name") };
    names.len()
}

#[test]
fn a_call_takes_one_round_of_names_beyond_its_time_and_no_name_is_lost() {
    const CAME: usize = 1000;
    const PER_ROUND: usize = 16;
    let folder = folder();
    let subscriber = Subscriber::new(&format!("{folder}/*"), &Options::default()).unwrap();
    // All are in the kernel's queue, so a call without a bound would take them all.
    let left = AtomicBool::new(false);
    let made = churn_some(&folder, 0, &left, CAME);
    let good = Publisher::new(&format!("shm:{folder}/good"), &Options::default()).unwrap();
    good.send(&Value::Int(1)).unwrap();
    assert_eq!(made, CAME as u64);
    let poll = || {
        subscriber.poll().unwrap();
        None
    };
    let ways: [&dyn Fn() -> Option<linkspan::Message>; 3] =
        [&|| subscriber.try_recv().ok(), &|| subscriber.recv(Duration::from_nanos(1)).ok(), &poll];
    let (mut before, mut received) = (0, None);
    for call in 0..10 * CAME {
        if let Some(message) = ways[call % 3]() {
            received = Some(message);
            break;
        }
        let now = tried(&subscriber);
        assert!(now <= before + PER_ROUND, "call {call} tried {} names", now - before);
        before = now;
    }
    assert_eq!(received.expect("the last name is joined").value().unwrap(), &Value::Int(1));
    assert_eq!(tried(&subscriber), CAME + 1);
}
