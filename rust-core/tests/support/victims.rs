//! Processes that are killed, and the survivor that serves them in turn and checks its promises.

use std::collections::HashSet;
use std::fs::{create_dir_all, read_dir, read_to_string};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use linkspan::{Channel, Error, ErrorKind, Message, Options, Publisher, Server, Subscriber, Value};

use super::programs::program;
use super::{SOON, name};

/// The victim's part until its kill; the survivor is the counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Exchange,
    Listen,
    /// Connects, and only sends.
    Send,
    /// Listens, and only receives.
    Receive,
    /// Connects, and sends several messages per call.
    SendMany,
    /// Listens, and receives several messages per call.
    ReceiveMany,
    Serve,
    Call,
    Publish,
    Subscribe,
}

impl Role {
    pub fn word(self) -> &'static str {
        match self {
            Role::Exchange => "exchange",
            Role::Listen => "listen",
            Role::Send => "send",
            Role::Receive => "receive",
            Role::SendMany => "send-many",
            Role::ReceiveMany => "receive-many",
            Role::Serve => "serve",
            Role::Call => "call",
            Role::Publish => "publish",
            Role::Subscribe => "subscribe",
        }
    }
}

pub struct Victim {
    child: Child,
    /// Its standard input: a line lets it through its gate, the end ends it.
    input: Option<ChildStdin>,
    times: i64,
    began: Instant,
}

#[derive(Clone, Copy, Default)]
pub struct Life<'a> {
    /// It leaves after this many times.
    pub times: Option<i64>,
    /// It waits at its gate for a line, see `victim.rs`.
    pub gate: Option<&'a str>,
}

impl Victim {
    fn start(role: Role, endpoint: &str, incarnation: i64, life: Life<'_>) -> Victim {
        let mut command = Command::new(program("test-victim"));
        command.args([role.word(), endpoint, &incarnation.to_string()]);
        command.env("LINKSPAN_GIVEN", notes(endpoint));
        command.args(life.times.map(|n| n.to_string()));
        command.stdin(if life.times.is_some() { Stdio::piped() } else { Stdio::null() });
        if let Some(gate) = life.gate {
            command.env("LINKSPAN_GATE", gate).stdout(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        Victim { child, input, times: life.times.unwrap_or(i64::MAX), began: Instant::now() }
    }

    /// Returns the threads that it prints at its gate: its first, and its acceptor.
    pub fn threads(&mut self) -> [u32; 2] {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut numbers = line.split_whitespace().map(|n| n.parse().unwrap());
        [numbers.next().expect("the victim did not come to its gate"), numbers.next().unwrap()]
    }

    /// Lets it through its gate, if it was not killed there.
    pub fn go_on(&mut self) {
        match self.input.as_mut().unwrap().write_all(b"\n") {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {}
            written => written.unwrap(),
        }
    }

    /// Ends its input, which ends it.
    pub fn enough(&mut self) {
        self.input = None;
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "it ended by itself: {status}");
    }

    /// Returns how it ended, if it has. A hanging victim is killed, and the test fails.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let ended = self.child.try_wait().unwrap();
        if ended.is_none() && self.began.elapsed() > 3 * SOON {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
            panic!("a victim hung for {:?}", self.began.elapsed());
        }
        ended
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // If the test fails halfway. The process number is not reused, because only this code waits for it.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn notes(endpoint: &str) -> PathBuf {
    let file: String = endpoint.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap()).with_extension("notes").join(file)
}

/// Checks that each incarnation's numbers are in order, without repetitions in one life.
///
/// A transport that replays unacknowledged messages skips no number. The next life may get consumed messages
/// again.
fn check_notes(endpoint: &str, sends_again: bool) {
    let text = read_to_string(notes(endpoint)).unwrap_or_default();
    let (mut life, mut last, mut highest) = (i64::MIN, -1, -1);
    for line in text.lines() {
        let numbers: Vec<i64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let [incarnation, number] = numbers[..] else { panic!("{line:?} is no note") };
        if incarnation == life {
            assert!(number > last, "incarnation {life} was given {number} after {last}");
        }
        if sends_again {
            assert!(
                number <= highest + 1,
                "{} to {number} was lost, it came neither to {life} nor {incarnation}",
                highest + 1
            );
        }
        (life, last, highest) = (incarnation, number, highest.max(number));
    }
}

/// Returns whether this error is acceptable while the peer is dying, gone, or starting.
pub fn is_passing(error: &Error) -> bool {
    use ErrorKind::{Disconnected, Empty, Full, Lagged, NotFound, Stalled, Timeout};
    matches!(error.kind(), Timeout | Disconnected | Empty | Full | NotFound | Stalled | Lagged)
}

fn passing<T>(done: linkspan::Result<T>) -> Option<T> {
    match done {
        Ok(value) => Some(value),
        Err(e) if is_passing(&e) => None,
        Err(e) => panic!("not an error that passes: {e:?}"),
    }
}

/// The resources of a process that a link may hold.
#[derive(Clone, Copy, Debug)]
pub struct Resources {
    descriptors: usize,
    maps: usize,
    slots: usize,
}

/// A survivor has at most one link. The used slots, at most 16, depend on the sender's lead.
const A_LINK: Resources = Resources { descriptors: 9, maps: 2, slots: 16 };

pub fn held() -> Resources {
    let descriptors = read_dir("/proc/self/fd").unwrap().count();
    let maps = read_to_string("/proc/self/maps").unwrap();
    let files = maps.lines().filter(|l| l.contains("memfd:linkspan"));
    let (slots, maps): (Vec<_>, Vec<_>) = files.partition(|l| l.contains("memfd:linkspan-slot"));
    Resources { descriptors, maps: maps.len(), slots: slots.len() }
}

pub fn nothing_more_is_held(before: Resources) {
    let after = held();
    assert!(
        after.descriptors <= before.descriptors + A_LINK.descriptors
            && after.maps <= before.maps + A_LINK.maps
            // Slots belong to one link, and the earlier link has ended.
            && after.slots <= A_LINK.slots,
        "held before {before:?}, after {after:?}"
    );
}

/// Checks that messages of one incarnation arrive in order, without repetitions or gaps.
struct Order {
    incarnation: i64,
    next: i64,
}

impl Order {
    fn check(&mut self, message: &Message) -> i64 {
        let (incarnation, i) = whole(message);
        if incarnation != self.incarnation {
            assert!(incarnation > self.incarnation, "an incarnation that was gone came back");
            *self = Order { incarnation, next: 0 };
        }
        assert_eq!(i, self.next, "of incarnation {incarnation}");
        self.next += 1;
        i
    }
}

/// Returns the sender of a message and its number; the message must be whole, even after its writer's death.
fn whole(message: &Message) -> (i64, i64) {
    let number = |path: &str| message.get(path).unwrap().as_i64().unwrap();
    let (incarnation, i) = (number("0"), number("1"));
    let size = if i % 16 == 7 { 100_000 } else { (i * 37 % 900) as usize };
    assert_eq!(message.get("2/0").unwrap().as_text().unwrap().len(), size);
    if i % 16 == 3 {
        let Value::NdArray(array) = message.get("2/1").unwrap() else { panic!("an array is gone") };
        assert_eq!(array.elements::<i64>().unwrap(), vec![i; 10_000]);
    }
    if i % 16 == 11 {
        let Value::Bytes(bytes) = message.get("2/1").unwrap() else { panic!("a loan is gone") };
        assert!(bytes.len() == 100_000 && bytes.iter().all(|byte| *byte == i as u8), "a loan is not whole");
    }
    (incarnation, i)
}

/// The other side of one victim after the other, with one object.
pub struct Survivor {
    endpoint: String,
    role: Role,
    object: Object,
    order: Order,
    pub received: i64,
    pub total: i64,
    /// How often a call failed because the peer had ended, or was not there in time.
    pub refused: i64,
    reply_due: bool,
    pub sent: i64,
    /// How long a call waits for its answer.
    patience: Duration,
    taken: HashSet<(i64, i64)>,
}

#[allow(clippy::large_enum_variant, reason = "there is one in each process")]
enum Object {
    Channel(Channel),
    Sender(Channel),
    Caller(Channel),
    Server(Server),
    Publisher(Publisher),
    Subscriber(Subscriber),
}

/// How long a survivor waits at a time: short, so it often checks for its victim's end.
const STEP: Duration = Duration::from_millis(1);

impl Survivor {
    /// Returns the survivor of victims in this role. A connecting survivor finds the first victim.
    pub fn new(transport: &str, role: Role) -> Survivor {
        let endpoint = name(transport);
        create_dir_all(notes(&endpoint).parent().unwrap()).unwrap();
        let options = Options::default();
        let mut first = None;
        if matches!(role, Role::Listen | Role::Receive | Role::ReceiveMany | Role::Serve) {
            first = Some(Victim::start(role, &endpoint, -1, Life::default()));
        }
        let object = match role {
            Role::Exchange | Role::Send | Role::SendMany => {
                Object::Channel(Channel::open(&endpoint, &options, SOON).unwrap())
            }
            Role::Listen => Object::Channel(Channel::connect(&endpoint, &options, SOON).unwrap()),
            Role::Receive | Role::ReceiveMany => {
                Object::Sender(Channel::connect(&endpoint, &options, SOON).unwrap())
            }
            Role::Serve => Object::Caller(Channel::connect(&endpoint, &options, SOON).unwrap()),
            Role::Call => Object::Server(Server::serve(&endpoint, &options).unwrap()),
            Role::Publish => Object::Subscriber(Subscriber::new(&endpoint, &options).unwrap()),
            Role::Subscribe => Object::Publisher(Publisher::new(&endpoint, &options).unwrap()),
        };
        if let Some(first) = first {
            first.kill();
        }
        let order = Order { incarnation: -1, next: 0 };
        let taken = HashSet::new();
        let patience = STEP * 5;
        Survivor {
            endpoint,
            role,
            object,
            order,
            received: 0,
            total: 0,
            refused: 0,
            reply_due: false,
            sent: 0,
            patience,
            taken,
        }
    }

    pub fn meet(&mut self, incarnation: i64, life: Life<'_>) -> Victim {
        self.received = 0;
        Victim::start(self.role, &self.endpoint, incarnation, life)
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn settle(&mut self) {
        while !matches!(self.role, Role::Serve | Role::Subscribe | Role::Receive | Role::ReceiveMany)
            && self.step()
        {}
    }

    /// Does its part once; false after a moment's wait in vain.
    pub fn step(&mut self) -> bool {
        let worked = match &self.object {
            Object::Channel(channel) => {
                if self.reply_due && passing(channel.send(&Value::Int(self.sent), STEP)).is_some() {
                    (self.reply_due, self.sent) = (false, self.sent + 1);
                }
                let message = passing(channel.recv(if self.reply_due { Duration::ZERO } else { STEP }));
                if let Some(message) = &message {
                    self.reply_due |= self.order.check(message) % 3 == 2
                        && !matches!(self.role, Role::Send | Role::SendMany);
                }
                message.is_some()
            }
            Object::Sender(channel) if self.role == Role::ReceiveMany => {
                let batch = self.sent..self.sent + 1 + self.sent % 90;
                let sent = match channel.send_many(batch.map(Value::Int), STEP) {
                    Ok(sent) => sent as i64,
                    Err(e) if is_passing(&e) => e.sent().unwrap() as i64,
                    Err(e) => panic!("not an error that passes: {e:?}"),
                };
                self.sent += sent;
                sent > 0
            }
            Object::Sender(channel) => {
                let sent = passing(channel.send(&Value::Int(self.sent), STEP)).is_some();
                self.sent += i64::from(sent);
                sent
            }
            Object::Caller(channel) => {
                let reply = passing(channel.call(&Value::Int(self.sent), self.patience));
                if let Some(reply) = &reply {
                    assert_eq!(
                        reply.get("1").unwrap(),
                        &Value::Int(self.sent),
                        "the answer to another request"
                    );
                }
                self.sent += 1;
                reply.is_some()
            }
            Object::Server(server) => match passing(server.next(STEP)) {
                Some(request) => {
                    let request = request.unwrap();
                    assert!(self.taken.insert(whole(&request)), "a request came twice");
                    request.reply(request.value().unwrap()).unwrap();
                    true
                }
                None => false,
            },
            Object::Subscriber(subscriber) => {
                let message = passing(subscriber.recv(STEP));
                match &message {
                    // All written messages are there.
                    Some(message) if self.endpoint.starts_with("journal") => drop(self.order.check(message)),
                    Some(message) => drop(whole(message)),
                    None => {}
                }
                message.is_some()
            }
            Object::Publisher(publisher) => {
                // A subscriber may be killed while it copies a long message out of its slot.
                let is_long = self.sent % 4 == 3 && self.endpoint.starts_with("shm");
                let value = if is_long { Value::from("x".repeat(300_000)) } else { Value::Int(self.sent) };
                publisher.send(&value).unwrap();
                self.sent += 1;
                // Publishers are not slowed down; this leaves the subscriber its share of the processors.
                std::thread::yield_now();
                publisher.subscribers() > 0
                    || self.endpoint.starts_with("file")
                    || self.endpoint.starts_with("journal")
            }
        };
        if worked {
            (self.received, self.total) = (self.received + 1, self.total + 1);
        } else {
            self.refused += 1;
        }
        worked
    }

    /// Does its part until the victim, which does its own a fixed number of times, has ended.
    pub fn see_out(&mut self, mut victim: Victim) {
        // A server leaves after a number of requests, even if their answers were not awaited.
        let hurried = std::mem::replace(&mut self.patience, STEP * 500);
        let ended = self.attend(&mut victim, 3);
        self.patience = hurried;
        self.settle();
        assert!(ended.success(), "the next incarnation failed: {ended}");
        // A survivor that sends need not have seen it: the victim may connect, receive and end between two
        // polls.
        let only_receives = matches!(self.role, Role::Subscribe | Role::ReceiveMany);
        assert!(self.received > 0 || only_receives, "nothing was received from the next incarnation");
    }

    /// Does its part until the victim has ended. A publisher's input ends after `enough` messages.
    pub fn attend(&mut self, victim: &mut Victim, enough: i64) -> ExitStatus {
        loop {
            if let Some(ended) = victim.ended() {
                return ended;
            }
            if self.role == Role::Serve && self.received >= victim.times {
                // The next call would not be answered: the server is ending.
                std::thread::sleep(STEP / 4);
                continue;
            }
            self.step();
            if self.role == Role::Publish && self.received >= enough {
                victim.enough();
            }
        }
    }

    /// Ends after the next incarnation. Checks the files at the name, and the result of `clean`.
    pub fn leave(self) {
        let Survivor { endpoint, role, object, .. } = self;
        drop(object);
        check_notes(&endpoint, matches!(role, Role::Exchange | Role::Listen | Role::ReceiveMany));
        let options = Options::default();
        match role {
            Role::Publish | Role::Subscribe => {
                Publisher::new(&endpoint, &options).unwrap().close(SOON).unwrap()
            }
            Role::Serve | Role::Call => Server::serve(&endpoint, &options).unwrap().close(SOON).unwrap(),
            Role::Listen
            | Role::Exchange
            | Role::Send
            | Role::Receive
            | Role::SendMany
            | Role::ReceiveMany => drop(Channel::open(&endpoint, &options, SOON).unwrap()),
        }
        let left = left_at(&endpoint);
        assert!(left.is_empty(), "left behind: {left:?}");
        let cleaned = linkspan::registry::clean().unwrap();
        // An empty spool is kept for the next server, and removed by `clean`.
        let is_clean = !cleaned.removed.contains(&endpoint) && cleaned.left.is_empty();
        assert!(endpoint.starts_with("spool") || is_clean, "clean found {cleaned:?}");
    }
}

/// Returns the names of an endpoint in the runtime directory, without names that its transport keeps.
pub fn left_at(endpoint: &str) -> Vec<String> {
    let file = endpoint.split_once(':').unwrap().1.trim_start_matches('/').replace('/', "@");
    let directory = PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
    let mut left = Vec::new();
    let mut folders = vec![directory.clone()];
    while let Some(folder) = folders.pop() {
        for entry in read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path().strip_prefix(&directory).unwrap().to_str().unwrap().to_owned();
            if !path.contains(&format!("{file}.")) || path.ends_with("/.lock") || path.ends_with("/.boot") {
                continue;
            }
            if entry.file_type().unwrap().is_dir() && !path.contains('~') {
                folders.push(entry.path());
            } else if !is_kept(&path, &file) {
                left.push(path);
            }
        }
    }
    left.sort_unstable();
    left
}

/// Returns whether a transport keeps this for a client that reconnects, or for the next server.
fn is_kept(path: &str, file: &str) -> bool {
    let in_spool = path.strip_prefix(&format!("{file}.spool/"));
    path == format!("{file}.file")
        || in_spool.is_some_and(|path| {
            path.starts_with("server/0")
                || path == "hello/victim"
                || (path.starts_with("client/0") && path.contains(".victim."))
        })
}

/// Marsaglia's xorshift: the seed repeats its numbers.
pub struct Random(pub u64);

impl Random {
    /// From `LINKSPAN_SEED`, or from the clock; prints the seed.
    pub fn new() -> Random {
        let seed = match std::env::var("LINKSPAN_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => {
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
            }
        };
        println!("LINKSPAN_SEED={seed}");
        Random(seed | 1)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
