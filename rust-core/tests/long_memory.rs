//! The memory that two programs hold for long messages: a slot and a copy under way, and at rest only slots.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use linkspan::{
    Channel, Encoding, ErrorKind, Limits, Listener, Message, Options, Payload, Publisher, Server, Subscriber,
    Value,
};

use crate::support::alone::alone;
use crate::support::{SOON, name, short_or_full};

/// The approximate bytes of a message.
const LONG: usize = 1_000_000;
/// The bound on both sides' memory for one message under way.
const ONE: usize = 2_200_000;
/// The tolerance for the allocators and stacks of two processes.
const SLACK: usize = 256 << 10;
const PART: &str = "LINKSPAN_TEST_LONG_MEMORY";
const TEST: &str = "long_memory::other_program";

/// The sent values: bytes of a program, and values that are encoded.
fn values() -> [(&'static str, Value); 3] {
    let structure = (0..LONG / 40).map(|i| (format!("key {i:028}"), Value::from(i as u64))).collect();
    [
        ("bytes", Value::Bytes(vec![7; LONG].into())),
        ("text", Value::from("t".repeat(LONG))),
        ("structure", Value::Map(structure)),
    ]
}

fn receive(channel: &Option<Channel>, subscriber: &Option<Subscriber>) -> Message {
    match (channel, subscriber) {
        (Some(channel), _) => channel.recv(SOON).unwrap(),
        (_, Some(subscriber)) => subscriber.recv(SOON).unwrap(),
        _ => panic!("a server receives requests"),
    }
}

/// Plays the part of the other program; without a part it does nothing.
#[test]
fn other_program() {
    let Ok(part) = std::env::var(PART) else { return };
    let (part, endpoint) = part.split_once(' ').unwrap();
    let options = Options::default();
    let long = Payload::new(&Value::Bytes(vec![7; LONG].into()), Encoding::Cbor, &Limits::default()).unwrap();
    let (mut channel, mut server, mut subscriber) = (None, None, None);
    match part {
        "receives" => channel = Some(Channel::connect(endpoint, &options, SOON).unwrap()),
        "serves" => server = Some(Server::serve(endpoint, &options).unwrap()),
        _ => subscriber = Some(Subscriber::new(endpoint, &options).unwrap()),
    }
    let request = || server.as_ref().unwrap().next(SOON).unwrap().unwrap();
    let (mut kept, mut asked) = (None, None);
    println!("\nready");
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "take" => drop(receive(&channel, &subscriber)),
            "keep" => kept = Some(receive(&channel, &subscriber)),
            "drop" => kept = None,
            // Also consumes the received message.
            "look" => {
                let none = channel.as_ref().unwrap().try_recv().unwrap_err();
                assert_eq!(none.kind(), ErrorKind::Empty);
            }
            "close" => channel.take().unwrap().close(SOON).unwrap(),
            "ask" => asked = Some(request()),
            "reply" => asked.take().unwrap().reply(&Value::Null).unwrap(),
            "reply long" => asked.take().unwrap().reply_payload(&long).unwrap(),
            command => panic!("{command}"),
        }
        println!("done");
    }
    drop(kept);
}

/// The other program, which ends with this value.
struct Other {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(part: &str, endpoint: &str) -> Other {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
            .env(PART, format!("{part} {endpoint}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(answers.any(|line| line.unwrap() == "ready"));
        Other { child, commands, answers }
    }

    fn begin(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    fn end(&mut self) {
        assert_eq!(self.answers.next().unwrap().unwrap(), "done");
    }

    fn does(&mut self, command: &str) {
        self.begin(command);
        self.end();
    }

    fn held(&self) -> MemoryUse {
        let mut held = MemoryUse { slots: BTreeMap::new(), own: 0 };
        for process in [std::process::id(), self.child.id()] {
            held.add(process);
        }
        held
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The memory of processes: slot files, which both map, by number, and private memory.
#[derive(Debug)]
struct MemoryUse {
    slots: BTreeMap<u64, usize>,
    own: usize,
}

impl MemoryUse {
    fn add(&mut self, process: u32) {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        for line in maps.lines().filter(|line| line.contains("linkspan-slot")) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (from, to) = fields[0].split_once('-').unwrap();
            let [from, to] = [from, to].map(|text| usize::from_str_radix(text, 16).unwrap());
            *self.slots.entry(fields[4].parse().unwrap()).or_default() = to - from;
        }
        // Page by page: the counters of `status` lag by some pages for each thread.
        let smaps = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        let own = smaps.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
        self.own += 1024 * own.trim().trim_end_matches(" kB").parse::<usize>().unwrap();
    }

    fn of_slots(&self) -> usize {
        self.slots.values().sum()
    }

    fn beyond(&self, before: &MemoryUse) -> usize {
        self.of_slots() - before.of_slots() + self.own.saturating_sub(before.own)
    }
}

/// A channel to the other program, in use.
fn channel() -> (Channel, Other) {
    let listener = Listener::listen(&name("shm"), &Options::default()).unwrap();
    let mut other = Other::start("receives", &listener.endpoint());
    let channel = listener.accept(SOON).unwrap();
    channel.send(&Value::Null, SOON).unwrap();
    other.does("take");
    (channel, other)
}

fn publisher() -> (Publisher, Other) {
    let publisher = Publisher::new(&name("shm"), &Options::default()).unwrap();
    let mut other = Other::start("subscribes", publisher.endpoint());
    publisher.wait_for_subscribers(1, SOON).unwrap();
    publisher.send(&Value::Null).unwrap();
    other.does("take");
    (publisher, other)
}

struct Client {
    client: Channel,
    long: Payload,
    short: Payload,
    other: Other,
}

impl Client {
    fn new() -> Client {
        let endpoint = name("shm");
        let other = Other::start("serves", &endpoint);
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        // In memory of this program: a channel would encode into a slot.
        let [long, short] = [values()[0].1.clone(), Value::Null]
            .map(|value| Payload::new(&value, Encoding::Cbor, &Limits::default()).unwrap());
        let mut client = Client { client, long, short, other };
        client.call(false, "reply");
        client
    }

    /// Returns the memory while the server has the request, and while this program has the reply.
    fn call(&mut self, is_long: bool, reply: &str) -> [MemoryUse; 2] {
        let payload = if is_long { &self.long } else { &self.short };
        self.other.begin("ask");
        let asked = self.client.start_call(payload, SOON).unwrap();
        self.other.end();
        let requested = self.other.held();
        self.other.begin(reply);
        let answer = self.client.finish_call(&asked, SOON).unwrap();
        self.other.end();
        let replied = self.other.held();
        drop(answer);
        [requested, replied]
    }
}

#[test]
fn long_message_under_way_takes_its_slot_and_one_copy_of_both_programs() {
    alone!(long_message_under_way_takes_its_slot_and_one_copy_of_both_programs);
    let mut all = Vec::new();
    for (kind, value) in values() {
        let (channel, mut other) = channel();
        let before = other.held();
        for round in 0..5 {
            channel.send(&value, SOON).unwrap();
            other.does("keep");
            all.push((format!("{kind} {round}"), other.held().beyond(&before)));
            other.does("drop");
            // An unconsumed message keeps its slot for a repetition.
            other.does("look");
            channel.flush(SOON).unwrap();
        }
        let (publisher, mut other) = publisher();
        let before = other.held();
        publisher.send(&value).unwrap();
        other.does("keep");
        all.push((format!("{kind}, published"), other.held().beyond(&before)));
    }
    for (way, is_long, reply) in [("request", true, "reply"), ("reply", false, "reply long")] {
        let mut client = Client::new();
        let before = client.other.held();
        for round in 0..5 {
            for held in client.call(is_long, reply) {
                all.push((format!("{way} {round}"), held.beyond(&before)));
            }
        }
    }
    println!("{all:?}");
    let over: Vec<_> = all.iter().filter(|(_, held)| *held > ONE).collect();
    assert!(over.is_empty(), "more than {ONE} bytes: {over:?}");
}

/// Checks that after `count` messages no more memory is held than after ten.
fn is_no_more(what: &str, count: usize, other: &mut Other, mut exchange: impl FnMut(&mut Other)) {
    (0..10).for_each(|_| exchange(other));
    let few = other.held();
    (0..count).for_each(|_| exchange(other));
    let many = other.held();
    println!(
        "{what}: {} and {} bytes in {} slots, then {}",
        few.own,
        few.of_slots(),
        few.slots.len(),
        many.own
    );
    assert_eq!(many.slots, few.slots, "{what}");
    assert!(many.own <= few.own + SLACK, "{what}: {many:?} after many, {few:?} after ten");
}

#[test]
fn many_long_messages_take_no_more_than_ten_of_both_programs() {
    alone!(many_long_messages_take_no_more_than_ten_of_both_programs);
    let many = short_or_full(1_000, 10_000);
    for (kind, value) in values() {
        let count = if kind == "bytes" { many } else { many / 10 };
        {
            let (channel, mut other) = channel();
            is_no_more(kind, count, &mut other, |other| {
                channel.send(&value, SOON).unwrap();
                other.does("take");
            });
        }
        let (publisher, mut other) = publisher();
        is_no_more(&format!("{kind}, published"), count, &mut other, |other| {
            publisher.send(&value).unwrap();
            other.does("take");
        });
    }
    let mut client = Client::new();
    let Client { client: channel, long, other, .. } = &mut client;
    is_no_more("calls", many, other, |other| {
        other.begin("ask");
        let asked = channel.start_call(long, SOON).unwrap();
        other.end();
        other.begin("reply long");
        channel.finish_call(&asked, SOON).unwrap();
        other.end();
    });
}

/// A sender that is ahead makes all slots. After the end only the block of the last message stays.
#[test]
fn sender_that_is_ahead_makes_sixteen_slots_which_end_with_the_link() {
    alone!(sender_that_is_ahead_makes_sixteen_slots_which_end_with_the_link);
    let (channel, mut other) = channel();
    let before = other.held();
    let payload = Payload::from_bytes(Encoding::Raw, vec![7; LONG].into());
    let mut sent = 0;
    while channel.send_payload(&payload, Duration::from_millis(100)).is_ok() {
        sent += 1;
    }
    let ahead = other.held();
    println!(
        "{sent} messages, {} bytes in {} slots, {} of their own",
        ahead.of_slots(),
        ahead.slots.len(),
        ahead.own - before.own
    );
    assert!((16..=20).contains(&sent), "{sent} messages");
    assert_eq!(ahead.slots.len(), 16);
    (0..sent).for_each(|_| other.does("take"));
    other.does("look");
    channel.flush(SOON).unwrap();
    let rest = other.held();
    assert_eq!(rest.slots, ahead.slots);
    assert!(rest.own <= before.own + 2 * LONG + 2 * SLACK, "{rest:?}, {before:?} before");
    other.does("close");
    channel.close(SOON).unwrap();
    drop(channel);
    let end = other.held();
    println!("{} and {} bytes of their own", rest.own - before.own, end.own - before.own);
    assert_eq!(end.of_slots(), 0);
}
