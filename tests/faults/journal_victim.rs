//! A program that writes or reads a journal, and prints each confirmed message. Tests kill it and limit its disk.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program for tests to read")]

use std::io::Write;
use std::process::exit;
use std::time::Duration;

use linkspan::{ErrorKind, Options, Publisher, Result, Subscriber, Value};

const SOON: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((role, endpoint)) = words.first().zip(words.get(1)) else {
        println!("usage: journal_victim write|threads|read|refused|fill|limit ENDPOINT WORDS");
        exit(2);
    };
    let word = |i: usize| words.get(i).cloned().unwrap_or_default();
    let number = |i: usize| word(i).parse::<usize>().unwrap_or(1);
    match role.as_str() {
        "write" => write(endpoint, &word(2), number(3)),
        "threads" => threads(endpoint, number(2), number(3)),
        "read" => read(endpoint, &word(2), number(3)),
        "refused" => refused(endpoint, number(2)),
        "fill" => fill(endpoint, &word(2)),
        "limit" => limit(endpoint),
        _ => exit(2),
    }
}

/// Flushes each line, because a killed process loses its buffers.
fn print_line(what: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(what.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).is_err()
    {
        exit(3);
    }
}

/// Segments of a few messages: even a short run starts several.
fn short() -> Result<Options> {
    let mut options = Options::default();
    options.set("segment_bytes", &Value::Int(8192))?;
    Ok(options)
}

/// A value that names its writer and its number.
fn body(who: &str, i: usize) -> Value {
    Value::from(format!("{who} {i} {}", "x".repeat(i * 397 % 1500)))
}

/// Prints the number of each message once it is on disk.
fn write(endpoint: &str, who: &str, count: usize) -> Result<()> {
    let publisher = Publisher::new(endpoint, &short()?)?;
    for i in 0..count {
        let sequence = publisher.send(&body(who, i))?;
        print_line(&format!("{sequence} {who} {i}"));
    }
    publisher.close(linkspan::Wait::default()).unwrap();
    Ok(())
}

fn threads(endpoint: &str, threads: usize, count: usize) -> Result<()> {
    let publisher = Publisher::new(endpoint, &Options::default())?;
    let all = |who: usize| (0..count).try_for_each(|i| publisher.send(&body(&who.to_string(), i)).map(drop));
    std::thread::scope(|s| {
        let running: Vec<_> = (0..threads).map(|who| s.spawn(move || all(who))).collect();
        running.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| exit(4)))
    })
}

/// Reads `count` messages as subscriber `name`, and prints each message before it asks for the next.
fn read(endpoint: &str, name: &str, count: usize) -> Result<()> {
    let mut options = Options::default();
    options.set("client_id", &name.into())?;
    let subscriber = Subscriber::new(endpoint, &options)?;
    for _ in 0..count {
        print_line(&subscriber.recv(SOON)?.sequence().to_string());
    }
    // This receive confirms the last message as consumed.
    match subscriber.try_recv() {
        Err(e) if e.kind() == ErrorKind::Empty => Ok(()),
        looked => looked.map(drop),
    }
}

/// Sends `count` messages to a failing disk. A refused message is sent again, at the third time by a new publisher.
fn refused(endpoint: &str, count: usize) -> Result<()> {
    let mut publisher = Publisher::new(endpoint, &short()?)?;
    for i in 0..count {
        let mut tries = 0;
        let sequence = loop {
            match publisher.send(&body("refused", i)) {
                Ok(sequence) => break sequence,
                Err(e) if tries < 2 => {
                    print_line(&format!("{} {}", e.kind(), e.text()));
                    tries += 1;
                }
                Err(e) => {
                    print_line(&format!("{} again, made anew", e.kind()));
                    publisher.close(linkspan::Wait::default()).unwrap();
                    publisher = Publisher::new(endpoint, &short()?)?;
                }
            }
        };
        print_line(&format!("{sequence} refused {i}"));
    }
    Ok(())
}

/// Fills the disk, and continues after it has removed the file `ballast`.
fn fill(endpoint: &str, ballast: &str) -> Result<()> {
    let publisher = Publisher::new(endpoint, &short()?)?;
    let mut sent = 0;
    let refused = loop {
        match publisher.send(&body("full", sent)) {
            Ok(_) => sent += 1,
            Err(e) => break e,
        }
    };
    print_line(&format!("{} after {sent}", refused.kind()));
    // The program still has the message, and further attempts do not damage the journal.
    for _ in 0..3 {
        if let Err(e) = publisher.send(&body("full", sent)) {
            print_line(&format!("{}", e.kind()));
        }
    }
    std::fs::remove_file(ballast).unwrap_or_else(|_| exit(5));
    let last = publisher.send(&body("full", sent))?;
    print_line(&format!("sent {last}"));
    publisher.close(linkspan::Wait::default()).unwrap();
    let mut options = Options::default();
    options.set("from", &"first".into())?;
    let subscriber = Subscriber::new(endpoint, &options)?;
    for i in 0..=sent {
        let message = subscriber.recv(SOON)?;
        if message.value()? != &body("full", i) || message.sequence() != i as u64 + 1 {
            print_line(&format!("number {} is not what was sent", message.sequence()));
            exit(6);
        }
    }
    print_line("all there");
    Ok(())
}

/// Sends with a limit on the size of files. Small messages start new segments; a message above the limit is refused.
fn limit(endpoint: &str) -> Result<()> {
    let publisher = Publisher::new(endpoint, &Options::default())?;
    for i in 0..20 {
        publisher.send(&body("limit", i))?;
    }
    let large = Value::from("x".repeat(100_000));
    let refused = publisher.send(&large).map_or_else(|e| e.kind().name(), |_| "sent");
    print_line(refused);
    print_line(&publisher.send(&body("limit", 20))?.to_string());
    Ok(())
}
