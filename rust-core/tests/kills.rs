//! SIGKILL at random moments: the survivor notices, carries on with the next incarnation, and nothing is left behind.
//!
//! 250 for each side of a channel over each transport, 1,000 in all, and 100 for servers and publishers; `LINKSPAN_KILLS` sets
//! another number, `LINKSPAN_SEED` the moments. The seed is printed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use linkspan::{Channel, Error, ErrorKind, Message, Options, Server, Subscriber, Value};

mod support;
use support::{SOON, name};

/// Marsaglia's xorshift: the moments can be had again from the seed.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let seed = match std::env::var("LINKSPAN_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => {
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
            }
        };
        println!("LINKSPAN_SEED={seed}");
        Random(seed | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn kills(usually: i64) -> i64 {
    std::env::var("LINKSPAN_KILLS").map_or(usually, |n| n.parse().unwrap())
}

/// The victim, built beside this test.
fn program() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/victim");
    assert!(path.exists(), "{} is not built: cargo build -p linkspan --examples", path.display());
    path
}

fn start(role: &str, endpoint: &str, incarnation: i64) -> Child {
    let incarnation = incarnation.to_string();
    Command::new(program()).args([role, endpoint, &incarnation]).stdin(Stdio::null()).spawn().unwrap()
}

fn kill(mut victim: Child) {
    victim.kill().unwrap();
    let status = victim.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(libc::SIGKILL),
        "it ended by itself: {status}"
    );
}

/// What one link holds: a survivor has one or none, however many have come and gone.
const A_LINK: (usize, usize) = (9, 2);

/// Descriptors of this process that are linkspan's or a socket's, and its mappings of memory files.
fn held() -> (usize, usize) {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    (descriptors, maps.lines().filter(|l| l.contains("memfd:linkspan")).count())
}

/// What the victims left at their name, once the next listener has come and gone.
fn nothing_is_left(endpoint: &str, role: &str) {
    if role != "talk" {
        Server::serve(endpoint, &Options::default()).unwrap().close(SOON).unwrap();
    }
    let file = endpoint.split_once(':').unwrap().1.replace('/', "@");
    let directory = std::env::var("LINKSPAN_DIR").unwrap();
    let left: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(&format!("{file}.")))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// Messages of one incarnation come in order from the first, none twice, none missing before the last that came.
struct Order {
    incarnation: i64,
    next: i64,
}

impl Order {
    fn check(&mut self, message: &Message) {
        let (incarnation, i) =
            (message.get("0").unwrap().as_i64().unwrap(), message.get("1").unwrap().as_i64().unwrap());
        if incarnation != self.incarnation {
            assert!(incarnation > self.incarnation, "an incarnation that was gone came back");
            *self = Order { incarnation, next: 0 };
        }
        assert_eq!(i, self.next, "of incarnation {incarnation}");
        self.next += 1;
        let size = if i % 16 == 7 { 100_000 } else { (i * 37 % 900) as usize };
        assert_eq!(message.get("2/0").unwrap().as_text().unwrap().len(), size);
    }
}

/// What a caller may be told while the other side is dying, gone, or starting: it can try again.
fn is_passing(error: &Error) -> bool {
    use ErrorKind::{Disconnected, Empty, Full, NotFound, Stalled, Timeout};
    matches!(error.kind(), Timeout | Disconnected | Empty | Full | NotFound | Stalled)
}

/// One case at a time: they count what this process holds.
static ALONE: Mutex<()> = Mutex::new(());

/// The survivor talks to one victim after the other over the same channel.
fn a_channel(transport: &str, victim: &'static str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let endpoint = name(transport);
    let mut random = Random::new();
    let kills = kills(250);
    let mut first = (victim == "listen").then(|| start(victim, &endpoint, 0));
    let survivor = match victim {
        "listen" => Channel::connect(&endpoint, &Options::default(), SOON).unwrap(),
        _ => Channel::open(&endpoint, &Options::default(), SOON).unwrap(),
    };
    let mut order = Order { incarnation: -1, next: 0 };
    let mut before = (0, 0);
    for incarnation in 0..kills {
        let child = first.take().unwrap_or_else(|| start(victim, &endpoint, incarnation));
        let moment = Duration::from_micros(random.below(6000));
        let killer = thread::spawn(move || {
            thread::sleep(moment);
            kill(child);
        });
        while !killer.is_finished() {
            match survivor.recv(Duration::from_millis(2)) {
                Ok(message) => {
                    order.check(&message);
                    if let Err(e) = survivor.send(&Value::Int(order.next), Duration::ZERO) {
                        assert!(is_passing(&e), "{e:?}");
                    }
                }
                Err(e) => assert!(is_passing(&e), "{e:?}"),
            }
        }
        killer.join().unwrap();
        if incarnation == 20 {
            before = held();
        }
    }
    // The one after all those is served as the first was.
    let last = start(victim, &endpoint, kills);
    while order.incarnation < kills || order.next < 20 {
        let message = survivor.recv(SOON).unwrap();
        order.check(&message);
        survivor.send(&Value::Int(order.next), SOON).unwrap();
    }
    kill(last);
    while let Ok(message) = survivor.recv(Duration::from_millis(50)) {
        order.check(&message);
    }
    let after = held();
    assert!(
        after.0 <= before.0 + A_LINK.0 && after.1 <= before.1 + A_LINK.1,
        "held before {before:?}, after {after:?}"
    );
    drop(survivor);
    nothing_is_left(&endpoint, victim);
}

/// The survivor calls one server after the other: an answer or `Disconnected`, and never a hang.
fn a_server(transport: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let endpoint = name(transport);
    let mut random = Random::new();
    let kills = kills(100);
    let mut child = Some(start("serve", &endpoint, 0));
    let survivor = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let (mut answered, mut disconnected) = (0i64, 0i64);
    for incarnation in 1..=kills {
        let victim = child.take().unwrap();
        let moment = Duration::from_micros(random.below(4000));
        let killer = thread::spawn(move || {
            thread::sleep(moment);
            kill(victim);
        });
        while !killer.is_finished() {
            match survivor.call(&Value::Int(incarnation), Duration::from_millis(20)) {
                Ok(reply) => {
                    assert_eq!(reply.get("1").unwrap(), &Value::Int(incarnation));
                    answered += 1;
                }
                Err(e) => {
                    assert!(is_passing(&e), "{e:?}");
                    disconnected += 1;
                }
            }
        }
        killer.join().unwrap();
        child = Some(start("serve", &endpoint, incarnation));
    }
    let reply = survivor.call(&Value::from("last"), SOON);
    let reply = reply.or_else(|_| survivor.call(&Value::from("last"), SOON)).unwrap();
    assert_eq!(reply.get("0").unwrap(), &Value::Int(kills));
    println!("{answered} answered, {disconnected} told that the server had gone");
    assert!(answered > 0 && disconnected > 0);
    kill(child.take().unwrap());
    drop(survivor);
    nothing_is_left(&endpoint, "serve");
}

/// The survivor hears one publisher after the other.
fn a_publisher(transport: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let endpoint = name(transport);
    let mut random = Random::new();
    let kills = kills(100);
    let survivor = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let mut heard = 0;
    for incarnation in 0..kills {
        let victim = start("publish", &endpoint, incarnation);
        let moment = Duration::from_micros(random.below(5000));
        let killer = thread::spawn(move || {
            thread::sleep(moment);
            kill(victim);
        });
        while !killer.is_finished() {
            match survivor.recv(Duration::from_millis(2)) {
                Ok(message) => {
                    // Whole, whatever happened to who wrote it.
                    let i = message.get("1").unwrap().as_i64().unwrap();
                    let size = if i % 16 == 7 { 100_000 } else { (i * 37 % 900) as usize };
                    assert_eq!(message.get("2/0").unwrap().as_text().unwrap().len(), size);
                    heard += 1;
                }
                Err(e) => assert!(
                    is_passing(&e)
                        || matches!(e.kind(), ErrorKind::Lagged | ErrorKind::NotFound | ErrorKind::Stalled),
                    "{e:?}"
                ),
            }
        }
        killer.join().unwrap();
    }
    assert!(heard > 0);
    drop(survivor);
    nothing_is_left(&endpoint, "publish");
}

macro_rules! suite {
    ($($transport:ident)*) => {
        $(mod $transport {
            #[test] fn whoever_connects() { super::a_channel(stringify!($transport), "talk") }
            #[test] fn whoever_listens() { super::a_channel(stringify!($transport), "listen") }
            #[test] fn a_server() { super::a_server(stringify!($transport)) }
            #[test] fn a_publisher() { super::a_publisher(stringify!($transport)) }
        })*
    };
}

suite! { shm unix }
