//! A program that writes or reads a journal, and says each thing that it was promised: to be killed, starved and
//! counted.

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

/// Says it at once: what is in a buffer dies with us.
fn print_line(what: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(what.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).is_err()
    {
        exit(3);
    }
}

/// Segments of a few messages, so that a short life begins several.
fn short() -> Result<Options> {
    let mut options = Options::default();
    options.set("segment_bytes", &Value::Int(8192))?;
    Ok(options)
}

/// A value that is known again: who wrote it and the how manieth it was.
fn body(who: &str, i: usize) -> Value {
    Value::from(format!("{who} {i} {}", "x".repeat(i * 397 % 1500)))
}

/// Sends so many, and says the number of each that is on the disk.
fn write(endpoint: &str, who: &str, count: usize) -> Result<()> {
    let publisher = Publisher::new(endpoint, &short()?)?;
    for i in 0..count {
        let sequence = publisher.send(&body(who, i))?;
        print_line(&format!("{sequence} {who} {i}"));
    }
    publisher.close(linkspan::Wait::default()).unwrap();
    Ok(())
}

/// So many threads send so many each.
fn threads(endpoint: &str, threads: usize, count: usize) -> Result<()> {
    let publisher = Publisher::new(endpoint, &Options::default())?;
    let all = |who: usize| (0..count).try_for_each(|i| publisher.send(&body(&who.to_string(), i)).map(drop));
    std::thread::scope(|s| {
        let running: Vec<_> = (0..threads).map(|who| s.spawn(move || all(who))).collect();
        running.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| exit(4)))
    })
}

/// Reads so many under a name, and says each before it asks for the next.
fn read(endpoint: &str, name: &str, count: usize) -> Result<()> {
    let mut options = Options::default();
    options.set("client_id", &name.into())?;
    let subscriber = Subscriber::new(endpoint, &options)?;
    for _ in 0..count {
        print_line(&subscriber.recv(SOON)?.sequence().to_string());
    }
    // The look that says that the last one was dealt with.
    match subscriber.try_recv() {
        Err(e) if e.kind() == ErrorKind::Empty => Ok(()),
        looked => looked.map(drop),
    }
}

/// Sends so many, whatever the disk says: what was refused is sent again, by the same publisher and then by a new one.
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

/// Fills the disk; goes on once `ballast` has made room.
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
    // The message is still ours, and the journal takes no harm from asking again.
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

/// Sends under a limit on the length of files: small ones go into more segments, one that fits none is refused.
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
