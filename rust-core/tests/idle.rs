//! Idle connections make no wake-ups: two processes with every pattern between them sleep, and the kernel's count of
//! their threads' switches stands still.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::service::{ControllerServer, ControllerServerOptions};
use linkspan::{
    Channel, Controller, Listener, Options, Publisher, Server, ServiceLoop, ServiceOptions, Subscriber,
    Value, Wait, WatchOptions,
};

const TRANSPORTS: [&str; 4] = ["shm", "unix", "tcp", "fifo"];
/// Those that have subscribers.
const PUBLISHING: [&str; 3] = ["shm", "unix", "tcp"];
/// The number in the addresses of both processes: that of the one who watches.
const NUMBER: &str = "LINKSPAN_TEST_IDLE_NUMBER";
/// Only guards against a hang.
const HANG: Duration = Duration::from_secs(60);
/// So long nothing may happen.
const WATCHED: Duration = Duration::from_secs(3);
const ROLE: &str = "LINKSPAN_TEST_IDLE_ROLE";
/// A thread that asked for ticks has them; its name tells it from the rest.
const TICKS: &str = "ticks";

#[test]
fn idle_processes_are_never_woken() {
    match std::env::var(ROLE).as_deref() {
        Ok("holder") => holder(),
        Ok("guest") => guest(),
        _ => watch(),
    }
}

/// A channel each for who asks for ticks and who does not: not every transport has room for two at a name.
const LISTENED: [&str; 2] = ["listened", "listened-and-ticked"];

/// The endpoint of this name.
fn at(transport: &str, name: &str) -> String {
    if transport != "tcp" {
        return format!("{transport}:{name}");
    }
    let number: u32 = std::env::var(NUMBER).unwrap().parse().unwrap();
    let [_, high, middle, low] = number.to_be_bytes();
    let known = ["published", "served", LISTENED[0], LISTENED[1]];
    let port = 20_000 + known.iter().position(|known| *known == name).unwrap();
    format!("tcp://127.{}.{middle}.{low}:{port}", 65 + high)
}

fn say(line: &str) {
    // Not through `println!`, which the harness would keep to itself.
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

fn rest() {
    say("resting");
    // Until the one who watches lets go of the other end of the pipe.
    std::io::stdin().lock().read_to_end(&mut Vec::new()).unwrap();
    std::process::exit(0);
}

fn threads(name: &str, run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name.into()).spawn(run).unwrap();
}

/// Everything that has a name, on each transport that suits it: a publisher, a server, and channels with their listeners.
fn holder() {
    let options = Options::default();
    let mut kept = Vec::new();
    // Of services it wants to hear long after this test.
    let mut controller = ControllerServerOptions::default();
    (controller.heartbeat, controller.handle_signals) = (HANG * 60, false);
    let mut server = ControllerServer::listen(&["unix:controller".to_owned()], &controller).unwrap();
    threads("controller", move || drop(server.run(None)));
    let journal = Publisher::new("journal:published", &options).unwrap();
    journal.send(&Value::Int(1)).unwrap();
    kept.push(journal);
    for transport in PUBLISHING {
        let publisher = Publisher::new(&at(transport, "published"), &options).unwrap();
        publisher.send(&Value::Int(1)).unwrap();
        kept.push(publisher);
    }
    for transport in TRANSPORTS {
        let server = Server::serve(&at(transport, "served"), &options).unwrap();
        threads("server", move || {
            let mut unanswered = Vec::new();
            while let Some(request) = server.next(None).unwrap() {
                if request.value().unwrap() == &Value::Null {
                    unanswered.push(request);
                } else {
                    request.reply(&Value::Bool(true)).unwrap();
                }
            }
        });
        for ticking in [false, true] {
            let listener =
                Listener::listen(&at(transport, LISTENED[usize::from(ticking)]), &options).unwrap();
            threads("acceptor", move || {
                while let Ok(channel) = listener.accept(None) {
                    threads("channel", move || {
                        channel.send(&channel.recv(None).unwrap().value().unwrap().clone(), None).unwrap();
                        // With a deadline that is far away, as most programs have.
                        drop(channel.recv(HANG * 60));
                    });
                }
            });
        }
    }
    rest();
}

/// Everything that connects to it. Each connection carries something first.
fn guest() {
    let options = Options::default();
    let reader = Subscriber::new("journal:published", &options).unwrap();
    assert_eq!(reader.recv(HANG).unwrap().value().unwrap(), &Value::Int(1));
    let early = Subscriber::new("journal:not-there-yet", &options).unwrap();
    for reader in [reader, early] {
        threads("reader", move || drop(reader.next(None)));
    }
    let mut resting = ServiceOptions::default();
    (resting.paused, resting.handle_signals) = (true, false);
    let service = ServiceLoop::start("resting", &resting).unwrap();
    threads("service", move || drop(service.next(None)));
    let client = Controller::connect_default(HANG).unwrap();
    client.watch(&WatchOptions::default()).unwrap();
    while !client.next(HANG).unwrap().at("service/state").is_ok_and(|state| *state == "READY".into()) {}
    threads("watcher", move || drop(client.next(None)));
    for transport in PUBLISHING {
        let subscriber = Subscriber::new(&at(transport, "published"), &options).unwrap();
        assert_eq!(subscriber.recv(HANG).unwrap().value().unwrap(), &Value::Int(1));
        threads("subscriber", move || drop(subscriber.next(None)));
    }
    for transport in TRANSPORTS {
        let client = Channel::connect(&at(transport, "served"), &options, HANG).unwrap();
        assert_eq!(client.call(&Value::Int(1), HANG).unwrap().value().unwrap(), &Value::Bool(true));
        threads("caller", move || drop(client.call(&Value::Null, None)));
        for ticking in [false, true] {
            let endpoint = at(transport, LISTENED[usize::from(ticking)]);
            let channel = Channel::connect(&endpoint, &options, HANG).unwrap();
            channel.send(&Value::Int(2), HANG).unwrap();
            channel.recv(HANG).unwrap();
            let name = if ticking { TICKS } else { "receiver" };
            threads(name, move || {
                let mut tick = || Ok(());
                let wait = if ticking { Wait::new(None).tick(&mut tick) } else { Wait::new(None) };
                drop(channel.recv(wait));
            });
        }
    }
    rest();
}

fn start(role: &str, directory: &std::path::Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "idle::idle_processes_are_never_woken", "--nocapture"])
        .env(ROLE, role)
        .env(NUMBER, std::process::id().to_string())
        .env("LINKSPAN_DIR", directory)
        .env_remove("LINKSPAN_CONTROLLER")
        .env("LINKSPAN_STATE_DIR", directory.join("state"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.ends_with("resting\n") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the {role} ended before it rested");
    }
    child
}

/// Switches of each thread so far, voluntary and not, by its number and name.
fn switches(child: &Child) -> BTreeMap<(String, String), u64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    tasks
        .map(|task| {
            let path = task.unwrap().path();
            let status = std::fs::read_to_string(path.join("status")).unwrap();
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
            };
            let count = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"]
                .map(|name| field(name).parse::<u64>().unwrap());
            ((path.file_name().unwrap().to_string_lossy().into_owned(), field("Name:")), count.iter().sum())
        })
        .collect()
}

fn without_ticks(of: &BTreeMap<(String, String), u64>) -> BTreeMap<(String, String), u64> {
    of.iter().filter(|((_, name), _)| name != TICKS).map(|(task, count)| (task.clone(), *count)).collect()
}

fn watch() {
    let directory = tempfile::tempdir().unwrap();
    let processes = [start("holder", directory.path()), start("guest", directory.path())];
    let look = || processes.iter().map(switches).collect::<Vec<_>>();
    let quiet = |seen: &[BTreeMap<_, _>]| seen.iter().map(without_ticks).collect::<Vec<_>>();

    // First they have to come to rest: the last thread has still to reach its wait.
    let deadline = Instant::now() + HANG;
    let mut before = look();
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = look();
        if quiet(&now) == quiet(&before) {
            break;
        }
        assert!(Instant::now() < deadline, "they never came to rest: {before:?} then {now:?}");
        before = now;
    }

    before = look();
    thread::sleep(WATCHED);
    let after = look();
    for (before, after) in before.iter().zip(&after) {
        for (task, count) in after {
            let name = &task.1;
            println!("{name}: {} switches in {WATCHED:?}", count - before.get(task).copied().unwrap_or(0));
        }
    }
    assert_eq!(quiet(&after), quiet(&before), "somebody was woken");
    let names: Vec<String> = after.iter().flat_map(BTreeMap::keys).map(|(_, name)| name.clone()).collect();
    for (name, count) in [
        ("controller", 1),
        ("service", 1),
        ("watcher", 1),
        ("server", 4),
        ("acceptor", 8),
        ("channel", 8),
        ("subscriber", 3),
        ("caller", 4),
        ("receiver", 4),
    ] {
        assert_eq!(
            names.iter().filter(|n| *n == name).count(),
            count,
            "{name} in {names:?}: they are all still there"
        );
    }
    for mut child in processes {
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}
