//! An attempt without a connection always leaves an event: the descriptor becomes readable when another may
//! succeed.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use linkspan::schema::Schema;
use linkspan::{
    Channel, Error, ErrorKind, Listener, Message, Options, Publisher, Result, Server, Subscriber, Value,
};

use crate::support::{SOON, name, readable};

/// The obstacle of an attempt at a name of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Met {
    Nobody,
    /// A socket of a process that was killed.
    Dead,
    /// A listener whose queue is full.
    Busy,
    /// It ends each connection without an answer.
    Ended,
    Silent,
    /// Its answer is not a hello.
    Nonsense,
    OtherPattern,
    OtherSchema,
}

const MET: [Met; 8] = [
    Met::Nobody,
    Met::Dead,
    Met::Busy,
    Met::Ended,
    Met::Silent,
    Met::Nonsense,
    Met::OtherPattern,
    Met::OtherSchema,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// A subscription to one name, a list, a pattern; a channel.
    One,
    List,
    Pattern,
    Channel,
}

const WAYS: [Way; 4] = [Way::One, Way::List, Way::Pattern, Way::Channel];

/// A hand-made listener. Dropping it removes its socket.
struct Peer {
    path: PathBuf,
    ended: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Peer {
    fn start(
        listener: UnixListener,
        path: PathBuf,
        mut meet: impl FnMut(UnixStream) + Send + 'static,
    ) -> Peer {
        let ended = Arc::new(AtomicBool::new(false));
        let over = ended.clone();
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                meet(stream);
            }
        });
        Peer { path, ended, thread: Some(thread) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
        let _ = self.thread.take().map(thread::JoinHandle::join);
        let _ = std::fs::remove_file(&self.path);
    }
}

enum There {
    Nothing,
    Peer(#[expect(dead_code, reason = "held")] Peer),
    Full(
        #[expect(dead_code, reason = "held")] UnixListener,
        #[expect(dead_code, reason = "held")] UnixStream,
        PathBuf,
    ),
    Server(#[expect(dead_code, reason = "held")] Server),
    Publisher(#[expect(dead_code, reason = "held")] Publisher),
    Listener(#[expect(dead_code, reason = "held")] Listener),
}

impl Drop for There {
    fn drop(&mut self) {
        if let There::Full(_, _, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn path_of(endpoint: &str) -> PathBuf {
    let (transport, name) = endpoint.split_once(':').unwrap();
    let folder = PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{}.{transport}", name.replace('/', "@")))
}

fn schema(field: &str) -> Options {
    let text = format!("name = \"reading\"\n[fields.{field}]\ntype = \"f64\"\n");
    Options::default().with_schema(Schema::parse(&text).unwrap())
}

fn put(met: Met, way: Way, endpoint: &str) -> There {
    let path = path_of(endpoint);
    let bind = || UnixListener::bind(&path).unwrap();
    match met {
        Met::Nobody => There::Nothing,
        Met::Dead => {
            drop(bind());
            There::Nothing
        }
        Met::Busy => {
            let listener = bind();
            rustix::net::listen(&listener, 0).unwrap();
            let only = UnixStream::connect(&path).unwrap();
            There::Full(listener, only, path)
        }
        Met::Ended => There::Peer(Peer::start(bind(), path, drop)),
        Met::Silent => {
            let mut kept = Vec::new();
            There::Peer(Peer::start(bind(), path, move |stream| kept.push(stream)))
        }
        Met::Nonsense => There::Peer(Peer::start(bind(), path, |mut stream| {
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(&[b'x'; 64]);
        })),
        Met::OtherPattern if way == Way::Channel => {
            There::Publisher(Publisher::new(endpoint, &Options::default()).unwrap())
        }
        Met::OtherPattern => There::Server(Server::serve(endpoint, &Options::default()).unwrap()),
        Met::OtherSchema if way == Way::Channel => {
            There::Listener(Listener::listen(endpoint, &schema("volts")).unwrap())
        }
        Met::OtherSchema => There::Publisher(Publisher::new(endpoint, &schema("volts")).unwrap()),
    }
}

#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
enum Waiter {
    Subscriber(Subscriber),
    Channel(Channel),
}

impl Waiter {
    fn new(way: Way, endpoint: &str, options: &Options) -> Result<Waiter> {
        Ok(match way {
            Way::One => Waiter::Subscriber(Subscriber::new(endpoint, options)?),
            Way::List => Waiter::Subscriber(Subscriber::of(&[endpoint], options)?),
            Way::Pattern => Waiter::Subscriber(Subscriber::of(&[&format!("{endpoint}*")], options)?),
            Way::Channel => Waiter::Channel(Channel::dial(endpoint, options)?),
        })
    }

    fn descriptor(&self) -> RawFd {
        match self {
            Waiter::Subscriber(subscriber) => subscriber.as_raw_fd(),
            Waiter::Channel(channel) => channel.as_raw_fd(),
        }
    }

    fn try_recv(&self) -> Result<Message> {
        match self {
            Waiter::Subscriber(subscriber) => subscriber.try_recv(),
            Waiter::Channel(channel) => channel.try_recv(),
        }
    }
}

/// Publishes a value, or sends it to each peer, until it is dropped.
struct Source {
    over: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Source {
    fn start(way: Way, endpoint: &str, options: &Options) -> Source {
        let (over, until) = mpsc::channel();
        let (endpoint, options) = (endpoint.to_owned(), options.clone());
        let value = Value::map([("celsius", 21.5)]);
        let thread = thread::spawn(move || {
            if way == Way::Channel {
                let listener = Listener::listen(&endpoint, &options).unwrap();
                let channel = listener.accept(SOON).unwrap();
                channel.send(&value, SOON).unwrap();
                let _ = until.recv();
            } else {
                let publisher = Publisher::new(&endpoint, &options).unwrap();
                publisher.send(&value).unwrap();
                let _ = until.recv();
            }
        });
        Source { over: Some(over), thread: Some(thread) }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        drop(self.over.take());
        let ended = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

/// Returns whether the watch of the directory handles the name of a pattern.
fn is_left(met: Met, way: Way) -> bool {
    way == Way::Pattern && matches!(met, Met::Nobody | Met::Dead | Met::OtherPattern)
}

/// All cases in parallel, because each mostly waits for seconds.
fn each(transport: &str, test: fn(Met, Way, &str, &Options)) {
    thread::scope(|scope| {
        for (way, met) in WAYS.iter().flat_map(|way| MET.map(|met| (*way, met))) {
            let options = if met == Met::OtherSchema { schema("celsius") } else { Options::default() };
            let case = thread::Builder::new().name(format!("{transport}: {way:?} meets {met:?}"));
            case.spawn_scoped(scope, move || test(met, way, &name(transport), &options)).unwrap();
        }
    });
}

/// A poll loop gets the first message of the program that takes the name after the obstacle.
fn descriptor_wakes_for_the_next_listener(met: Met, way: Way, endpoint: &str, options: &Options) {
    let there = put(met, way, endpoint);
    let waiter = match Waiter::new(way, endpoint, options) {
        Ok(waiter) => waiter,
        // A given name in a list that refuses the program is an error at once.
        Err(error) => {
            assert!(way == Way::List, "{error}");
            return;
        }
    };
    let descriptor = waiter.descriptor();
    waiter.try_recv().unwrap_err();
    drop(there);
    let source = Source::start(way, endpoint, options);
    loop {
        match waiter.try_recv() {
            Ok(_) => break,
            Err(error) => assert!(readable(descriptor, 60), "nothing wakes {way:?} after {met:?}: {error}"),
        }
    }
    drop(waiter);
    drop(source);
}

/// A lasting listener changes nothing in its directory, but the descriptor still wakes.
fn descriptor_wakes_beside_a_listener_that_stays(met: Met, way: Way, endpoint: &str, options: &Options) {
    if matches!(met, Met::Nobody | Met::Dead) || is_left(met, way) {
        return;
    }
    let _there = put(met, way, endpoint);
    let Ok(waiter) = Waiter::new(way, endpoint, options) else {
        assert!(way == Way::List);
        return;
    };
    let descriptor = waiter.descriptor();
    for _ in 0..3 {
        let error = waiter.try_recv().unwrap_err();
        assert!(readable(descriptor, 60), "nothing wakes {way:?} beside {met:?}: {error}");
    }
}

/// A blocking call, repeated while nothing is there, gets the message.
fn blocking_call_goes_on(met: Met, way: Way, endpoint: &str, options: &Options) {
    let there = put(met, way, endpoint);
    let Ok(waiter) = Waiter::new(way, endpoint, options) else { return };
    waiter.try_recv().unwrap_err();
    drop(there);
    let source = Source::start(way, endpoint, options);
    let passes = |error: &Error| {
        let kinds = [
            ErrorKind::NotFound,
            ErrorKind::Stalled,
            ErrorKind::Timeout,
            ErrorKind::Malformed,
            ErrorKind::InvalidState,
            ErrorKind::SchemaMismatch,
        ];
        kinds.contains(&error.kind())
    };
    let mut left = 100;
    loop {
        let received = match &waiter {
            Waiter::Subscriber(subscriber) => subscriber.recv(SOON).map(drop),
            Waiter::Channel(channel) => channel.recv(SOON).map(drop),
        };
        left -= 1;
        match received {
            Ok(()) => break,
            Err(error) => assert!(passes(&error) && left > 0, "{way:?} after {met:?}: {error}"),
        }
    }
    drop(waiter);
    drop(source);
}

/// The other program answers after a publisher took the name, which the directory reports once.
#[test]
fn name_that_a_publisher_takes_while_the_answer_of_another_program_is_under_way_is_received() {
    let [endpoint, other] = [name("unix"), name("unix")];
    let _server = Server::serve(&other, &Options::default()).unwrap();
    let path = path_of(&endpoint);
    let listener = UnixListener::bind(&path).unwrap();
    let all = Subscriber::of(&[&format!("{endpoint}*")], &Options::default()).unwrap();
    let descriptor = all.as_raw_fd();
    all.try_recv().unwrap_err();
    let (mut caller, _) = listener.accept().unwrap();
    std::fs::remove_file(&path).unwrap();
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::from(7)).unwrap();
    // It takes the directory's event.
    all.try_recv().unwrap_err();
    // A server answers instead of the program that had the name.
    let mut called = UnixStream::connect(path_of(&other)).unwrap();
    let mut bytes = [0; 16_384];
    let length = caller.read(&mut bytes).unwrap();
    called.write_all(&bytes[..length]).unwrap();
    let length = called.read(&mut bytes).unwrap();
    caller.write_all(&bytes[..length]).unwrap();
    loop {
        match all.try_recv() {
            Ok(message) => break assert_eq!(message.value().unwrap(), &Value::from(7)),
            Err(error) => assert!(readable(descriptor, 60), "nothing wakes it: {error}"),
        }
    }
}

macro_rules! cases {
    ($($case:ident)*) => {
        mod shm { $(#[test] fn $case() { super::each("shm", super::$case) })* }
        mod unix { $(#[test] fn $case() { super::each("unix", super::$case) })* }
    };
}

cases! {
    descriptor_wakes_for_the_next_listener
    descriptor_wakes_beside_a_listener_that_stays
    blocking_call_goes_on
}
