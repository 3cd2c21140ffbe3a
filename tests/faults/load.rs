//! A server and its clients under load. Each prints the outcome of every request, and the test compares the outcomes.
//!
//! - `load serve ENDPOINT` runs until SIGTERM, then prints a line for each request that it took.
//! - `load call|send ENDPOINT CLIENT COUNT SEED` prints "connected" and waits for a line of input. It then makes COUNT
//!   calls or sends with deadlines of 0.05 to 2 s, and prints their outcomes.
//! - `load publish ENDPOINT SUBSCRIBERS COUNT` and `load subscribe ENDPOINT COUNT` do this with a publisher.
//! - `load burn` keeps one processor busy.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program for tests to read")]

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use linkspan::{Channel, Error, ErrorKind, Options, Publisher, Result, Server, Subscriber, Value};

/// The bound of a call without a deadline. Only a hang takes that long.
const PATIENCE: Duration = Duration::from_secs(60);
/// A client starts no calls after this time.
const ENOUGH: Duration = Duration::from_secs(5);
/// The server's work for each request. The total exceeds the shorter deadlines, so some calls time out.
const WORK: Duration = Duration::from_micros(500);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match &words[..] {
        ["serve", endpoint] => serve(endpoint),
        [what @ ("call" | "send"), endpoint, client, count, seed] => {
            let number = |word: &str| word.parse::<u64>().unwrap_or_default();
            work(*what == "call", endpoint, client, number(count), number(seed))
        }
        ["publish", endpoint, subscribers, count] => {
            publish(endpoint, subscribers.parse().unwrap_or_default(), count.parse().unwrap_or_default())
        }
        ["subscribe", endpoint, count] => subscribe(endpoint, count.parse().unwrap_or_default()),
        ["burn"] => loop {
            std::hint::spin_loop();
        },
        _ => {
            eprintln!(
                "usage: load serve ENDPOINT | call|send ENDPOINT CLIENT COUNT SEED | publish … | subscribe … | burn"
            );
            std::process::exit(2);
        }
    };
    if let Err(e) = done {
        eprintln!("load {}: {e:?}", words.join(" "));
        std::process::exit(1);
    }
}

fn print_word(word: &str) -> Result<()> {
    println!("{word}");
    std::io::stdout().flush().map_err(io_error)
}

fn wait_for_a_line() -> Result<()> {
    std::io::stdin().lock().read_line(&mut String::new()).map(drop).map_err(io_error)
}

fn io_error(e: std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, e.to_string())
}

/// Takes one request after the other, until SIGTERM.
fn serve(endpoint: &str) -> Result<()> {
    let server = Server::serve(endpoint, &Options::default())?;
    let mut taken = Vec::new();
    print_word("ready")?;
    while let Some(request) = server.next(None)? {
        taken.push(format!("{} {}", request.get("client")?.as_text()?, request.get("number")?.as_i64()?));
        let began = Instant::now();
        while began.elapsed() < WORK {
            std::hint::spin_loop();
        }
        if request.wants_reply() {
            request.reply(request.value()?)?;
        }
    }
    taken.push(String::new());
    print!("{}", taken.join("\n"));
    server.close(PATIENCE)
}

fn work(calls: bool, endpoint: &str, client: &str, count: u64, seed: u64) -> Result<()> {
    let mut options = Options::default();
    options.set("client_id", &client.into())?;
    let channel = Channel::connect(endpoint, &options, PATIENCE)?;
    print_word("connected")?;
    wait_for_a_line()?;
    let mut random = seed | 1;
    let mut lines = Vec::new();
    let began = Instant::now();
    for number in 0..count {
        if began.elapsed() > ENOUGH {
            break;
        }
        // Marsaglia's xorshift.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let deadline = Duration::from_millis(50 + random % 1950);
        let text = "x".repeat((random >> 32) as usize % 2000);
        let value = Value::map([
            ("client", Value::from(client)),
            ("number", Value::Int(number as i64)),
            ("text", text.into()),
        ]);
        // Every third is sent, the others are called.
        let one_way = !calls || number % 3 == 2;
        let word = if one_way { "send" } else { "call" };
        let done = if one_way {
            channel.send(&value, deadline).map(|_| "accepted")
        } else {
            channel.call(&value, deadline).map(|reply| match reply.value() {
                Ok(got) if *got == value => "answered",
                _ => "garbled",
            })
        };
        let what = done.unwrap_or_else(|e| e.kind().name());
        lines.push(format!("{word} {number} {what}"));
    }
    // The close returns after the server has taken every accepted message.
    let closed = channel.close(PATIENCE).map_or_else(|e| format!("{e:?}"), |()| "well".into());
    lines.push(format!("closed {closed}\n"));
    print!("{}", lines.join("\n"));
    Ok(())
}

/// Publishes `count` numbers after SUBSCRIBERS have subscribed and a line of input has arrived.
fn publish(endpoint: &str, subscribers: usize, count: u64) -> Result<()> {
    let publisher = Publisher::new(endpoint, &Options::default())?;
    print_word("ready")?;
    wait_for_a_line()?;
    while publisher.subscribers() < subscribers {
        std::thread::sleep(Duration::from_millis(1));
    }
    for number in 0..count {
        publisher.send(&Value::map([("number", Value::from(number)), ("text", "x".repeat(500).into())]))?;
    }
    print_word("published")?;
    // The subscribers still read messages that this publisher holds.
    wait_for_a_line()?;
    publisher.close(linkspan::Wait::default()).unwrap();
    Ok(())
}

/// Reads numbers up to the last. Prints how many arrived, were missed, and came twice or late, and how often it waited.
fn subscribe(endpoint: &str, count: u64) -> Result<()> {
    let subscriber = Subscriber::new(endpoint, &Options::default())?;
    match subscriber.poll() {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => print_word("connected")?,
    }
    let (mut came, mut missed, mut waited, mut repeated, mut next) = (0u64, 0u64, 0u64, 0u64, 0u64);
    while next < count {
        match subscriber.recv(Duration::from_millis(500)) {
            Ok(message) => {
                let number = message.get("number")?.as_u64()?;
                came += 1;
                repeated += u64::from(number < next);
                next = next.max(number + 1);
            }
            Err(e) if e.kind() == ErrorKind::Lagged => missed += e.missed().unwrap_or_default(),
            // Nothing was written yet, or nothing new.
            Err(e) if matches!(e.kind(), ErrorKind::Timeout | ErrorKind::NotFound) => waited += 1,
            Err(e) => return Err(e),
        }
    }
    println!("{came} {missed} {waited} {repeated}");
    Ok(())
}
