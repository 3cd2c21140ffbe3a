//! A program for tests to kill: it repeats one role until it is killed, or TIMES times.
//!
//! Usage: `victim ROLE ENDPOINT INCARNATION [TIMES]`. With `LINKSPAN_GATE` it first prints thread ids and waits for a
//! line of input, so that a tracer can attach to one thread. If the variable holds a path, a listener at that path has
//! already started the acceptor thread. The program writes each received number as a line to the file of
//! `LINKSPAN_GIVEN`, before it acknowledges the message.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program for tests to read")]

use std::cell::RefCell;
use std::fs::{File, OpenOptions, read_dir, read_to_string};
use std::io::{BufRead, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linkspan::{
    BytesLoan, Channel, Error, ErrorKind, NdArray, Options, Publisher, Result, Server, Subscriber, Value,
};

const SOON: Duration = Duration::from_secs(60);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [role, endpoint, incarnation, times @ ..] = &words[..] else {
        eprintln!(
            "usage: victim exchange|listen|send|receive|send-many|receive-many|serve|work|call|post|publish|subscribe ENDPOINT INCARNATION [TIMES]"
        );
        std::process::exit(2);
    };
    let part = Part {
        endpoint: endpoint.clone(),
        incarnation: incarnation.parse().unwrap_or_default(),
        times: times.first().map_or(i64::MAX, |n| n.parse().unwrap_or_default()),
        given: std::env::var_os("LINKSPAN_GIVEN")
            .and_then(|path| OpenOptions::new().append(true).create(true).open(path).ok()),
        loan: RefCell::default(),
    };
    let warm = match std::env::var("LINKSPAN_GATE") {
        Ok(path) => wait_at_the_gate(&path),
        Err(_) => Ok(None),
    };
    let done = warm.and_then(|_warm| match role.as_str() {
        "exchange" => part.exchange(Channel::connect(endpoint, &named()?, SOON)?, true),
        "listen" => part.exchange(Channel::open(endpoint, &Options::default(), SOON)?, true),
        "send" => part.exchange(Channel::connect(endpoint, &Options::default(), SOON)?, false),
        "receive" => part.receive(),
        "send-many" => part.send_many(),
        "receive-many" => part.receive_many(),
        "serve" => part.serve(),
        "work" => part.work(),
        "call" => part.call(),
        "post" => part.post(),
        "publish" => part.publish(),
        _ => part.subscribe(),
    });
    if let Err(e) = done {
        eprintln!("victim {}: {e:?}", words.join(" "));
        std::process::exit(1);
    }
}

/// A fixed `client_id`: each incarnation gets the messages that the previous one did not consume.
fn named() -> Result<Options> {
    let mut options = Options::default();
    options.set("client_id", &"victim".into())?;
    Ok(options)
}

/// Prints the ids of this thread and the acceptor (0 without one), and waits for a line of input.
fn wait_at_the_gate(path: &str) -> Result<Option<Server>> {
    let warm = match path {
        "" => None,
        path => Some(Server::serve(&format!("unix:{path}"), &Options::default())?),
    };
    let mut acceptor = warm.as_ref().map_or(Some("0".to_owned()), |_| None);
    while acceptor.is_none() {
        // A new thread sets its name after it has started.
        acceptor = thread_called("linkspan-acce");
    }
    println!("{} {}", std::process::id(), acceptor.as_deref().unwrap_or("0"));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
    Ok(warm)
}

fn thread_called(start: &str) -> Option<String> {
    let names = read_dir("/proc/self/task").ok()?.flatten().map(|thread| thread.file_name());
    let is_called = |name: &String| {
        read_to_string(format!("/proc/self/task/{name}/comm")).is_ok_and(|comm| comm.starts_with(start))
    };
    names.flat_map(|name| name.into_string()).find(is_called)
}

/// The role and arguments of one incarnation.
struct Part {
    endpoint: String,
    incarnation: i64,
    times: i64,
    given: Option<File>,
    /// A loan that is filled but not sent yet.
    loan: RefCell<Option<BytesLoan>>,
}

impl Part {
    /// Some bodies are long enough to travel in fragments, or outside the ring of shared memory. `lend` makes a loan
    /// that is sent two messages later.
    fn body(&self, i: i64, lend: impl FnOnce(usize) -> Result<BytesLoan>) -> Result<Value> {
        let size = if i % 16 == 7 { 100_000 } else { (i * 37 % 900) as usize };
        let mut content = vec![Value::from("x".repeat(size))];
        if i % 16 == 3 {
            content.push(Value::NdArray(NdArray::vector(&vec![i; 10_000])));
        }
        if i % 16 == 9 {
            let mut loan = lend(100_000)?;
            loan.fill((i + 2) as u8);
            self.loan.replace(Some(loan));
        }
        if i % 16 == 11 {
            content.extend(self.loan.take().map(Value::from));
        }
        Ok(Value::from(vec![Value::Int(self.incarnation), Value::Int(i), Value::Array(content)]))
    }

    fn note(&self, value: &Value) {
        if let (Some(mut file), Ok(number)) = (self.given.as_ref(), value.as_i64()) {
            // One write of 32 bytes makes a line complete or absent. A killed process may write only the part of a line
            // before a page border.
            let line = format!("{:<15} {number:<15}\n", self.incarnation);
            file.write_all(line.as_bytes()).unwrap_or_else(|e| eprintln!("victim: noting: {e}"));
        }
    }

    /// Sends, and with `both` also receives: a kill then finds both directions busy.
    fn exchange(&self, channel: Channel, both: bool) -> Result<()> {
        for i in 0..self.times {
            channel.send(&self.body(i, |length| channel.loan_bytes(length))?, SOON)?;
            if both && i % 3 == 2 {
                self.note(channel.recv(SOON)?.value()?);
            }
        }
        channel.close(SOON)
    }

    fn receive(&self) -> Result<()> {
        let channel = Channel::open(&self.endpoint, &Options::default(), SOON)?;
        for _ in 0..self.times {
            self.note(channel.recv(SOON)?.value()?);
        }
        channel.close(SOON)
    }

    fn send_many(&self) -> Result<()> {
        let channel = Channel::connect(&self.endpoint, &Options::default(), SOON)?;
        let mut next = 0;
        while next < self.times {
            let end = self.times.min(next + 1 + next % 90);
            let bodies: Result<Vec<Value>> =
                (next..end).map(|i| self.body(i, |length| channel.loan_bytes(length))).collect();
            channel.send_many(bodies?, SOON)?;
            next = end;
        }
        channel.close(SOON)
    }

    fn receive_many(&self) -> Result<()> {
        let channel = Channel::open(&self.endpoint, &Options::default(), SOON)?;
        let mut received = 0;
        while received < self.times {
            for message in channel.recv_many(50, SOON)? {
                self.note(message.value()?);
                received += 1;
            }
        }
        channel.close(SOON)
    }

    fn serve(&self) -> Result<()> {
        let server = Server::serve(&self.endpoint, &Options::default())?;
        for _ in 0..self.times {
            let Some(request) = server.next(None)? else { break };
            self.note(request.value()?);
            request.reply(&Value::from(vec![Value::Int(self.incarnation), request.value()?.clone()]))?;
        }
        server.close(SOON)
    }

    /// A worker among several of a name. After `times` replies it takes one more request and never answers it.
    fn work(&self) -> Result<()> {
        let server = Server::serve(&self.endpoint, &Options::default().with_shared(true))?;
        for i in 0.. {
            let Some(request) = server.next(None)? else { break };
            let number = request.value()?.as_i64()?;
            self.note(request.value()?);
            if i >= self.times {
                loop {
                    std::thread::park();
                }
            }
            std::thread::sleep(Duration::from_micros(number.unsigned_abs() % 7 * 500));
            request.reply(&Value::from(vec![Value::Int(self.incarnation), Value::Int(number)]))?;
        }
        server.close(SOON)
    }

    fn call(&self) -> Result<()> {
        let channel = Channel::connect(&self.endpoint, &Options::default(), SOON)?;
        for i in 0..self.times {
            let asked = self.body(i, |length| channel.loan_bytes(length))?;
            let answer = channel.call(&asked, SOON)?;
            assert_eq!(answer.value()?, &asked, "an answer to another request");
        }
        channel.close(SOON)
    }

    /// Sends without a reader, and notes each accepted number.
    fn post(&self) -> Result<()> {
        let channel = Channel::connect(&self.endpoint, &Options::default(), SOON)?;
        for i in 0..self.times {
            channel.send(&Value::from(vec![Value::Int(self.incarnation), Value::Int(i)]), SOON)?;
            self.note(&Value::Int(i));
        }
        channel.close(SOON)
    }

    /// Publishes for ever. With TIMES it ends when its standard input ends.
    fn publish(&self) -> Result<()> {
        static ENOUGH: AtomicBool = AtomicBool::new(false);
        let publisher = Publisher::new(&self.endpoint, &Options::default())?;
        if self.times != i64::MAX {
            std::thread::spawn(|| {
                let ended = std::io::stdin().lock().read_to_end(&mut Vec::new());
                ENOUGH.store(ended.is_ok(), Ordering::Relaxed);
            });
        }
        for i in 0.. {
            publisher.send(&self.body(i, |length| publisher.loan_bytes(length))?)?;
            if ENOUGH.load(Ordering::Relaxed) {
                break;
            }
        }
        publisher.close(linkspan::Wait::default()).unwrap();
        Ok(())
    }

    fn subscribe(&self) -> Result<()> {
        let subscriber = Subscriber::new(&self.endpoint, &Options::default())?;
        let mut received = 0;
        while received < self.times {
            match subscriber.recv(SOON) {
                Ok(message) => drop(message.value()?),
                Err(e) if e.kind() == ErrorKind::Lagged => continue,
                Err(e) => return Err(e),
            }
            received += 1;
        }
        subscriber.close();
        Ok(())
    }
}
