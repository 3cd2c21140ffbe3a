//! Idle connections cause no wake-ups.
//!
//! Two processes with every pattern of channels between them sleep, and the kernel's count of their context
//! switches stays constant.

use linkspan::{Channel, Listener, Options, Publisher, Server, Subscriber, Value, Wait};

use crate::support::resting::{HANG, NUMBER, TICKS, rest, role, threads, watch};

const TRANSPORTS: [&str; 4] = ["shm", "unix", "tcp", "fifo"];
const PUBLISHING: [&str; 3] = ["shm", "unix", "tcp"];

#[test]
fn idle_processes_are_never_woken() {
    const EXPECTED: [(&str, usize); 6] =
        [("server", 4), ("acceptor", 8), ("channel", 8), ("subscriber", 4), ("caller", 4), ("receiver", 4)];
    match role().as_deref() {
        Some("holder") => holder(),
        Some(_) => guest(),
        None => watch("idle::idle_processes_are_never_woken", ["holder", "guest"], &EXPECTED),
    }
}

/// A channel for clients with ticks, and one for clients without: not every transport has room for two
/// clients at a name.
const LISTENED: [&str; 2] = ["listened", "listened-and-ticked"];

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

/// Every named object, on each suitable transport.
fn holder() {
    let options = Options::default();
    let mut kept = Vec::new();
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
                        drop(channel.recv(HANG * 60));
                    });
                }
            });
        }
    }
    rest();
}

fn guest() {
    let options = Options::default();
    let reader = Subscriber::new("journal:published", &options).unwrap();
    assert_eq!(reader.recv(HANG).unwrap().value().unwrap(), &Value::Int(1));
    let early = Subscriber::new("journal:not-there-yet", &options).unwrap();
    for reader in [reader, early] {
        threads("reader", move || drop(reader.next(None)));
    }
    for transport in PUBLISHING {
        let subscriber = Subscriber::new(&at(transport, "published"), &options).unwrap();
        assert_eq!(subscriber.recv(HANG).unwrap().value().unwrap(), &Value::Int(1));
        threads("subscriber", move || drop(subscriber.next(None)));
    }
    // The names of shm: and unix:.
    let all = Subscriber::new("publi*", &options).unwrap();
    for _ in 0..2 {
        assert_eq!(all.recv(HANG).unwrap().value().unwrap(), &Value::Int(1));
    }
    threads("subscriber", move || drop(all.next(None)));
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
