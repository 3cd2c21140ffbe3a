//! The cost of one message: sends and receives in one thread, a given number of times.
//!
//! `tools/instructions` counts the instructions of two runs; the difference is the cost of the messages.
//!
//! usage: test-messages --rows | ROW COUNT

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use linkspan::{
    Channel, Encoding, Limits, Listener, Options, Payload, Publisher, Result, Server, Subscriber, Value,
};

const SOON: Duration = Duration::from_secs(60);

/// A row: its name, and the action that it repeats `COUNT` times.
type Row = (&'static str, fn(&str, u64) -> Result<()>);

const ROWS: [Row; 21] = [
    ("channel-shm-64", |name, count| exchange("shm", name, 64, count)),
    ("channel-shm-1k", |name, count| exchange("shm", name, 1000, count)),
    ("channel-shm-10k", |name, count| exchange("shm", name, 10_000, count)),
    ("channel-shm-100k", |name, count| exchange("shm", name, 100_000, count)),
    ("channel-unix-64", |name, count| exchange("unix", name, 64, count)),
    ("channel-unix-10k", |name, count| exchange("unix", name, 10_000, count)),
    ("lent-shm-64", |name, count| lent("shm", name, 64, count)),
    ("lent-shm-1k", |name, count| lent("shm", name, 1000, count)),
    ("lent-shm-10k", |name, count| lent("shm", name, 10_000, count)),
    ("lent-unix-64", |name, count| lent("unix", name, 64, count)),
    ("call-server-shm-64", |name, count| calls(name, count, call_server)),
    ("call-channel-shm-64", |name, count| calls(name, count, call_channel)),
    ("publish-shm-64", |name, count| publish("shm", name, 64, Options::default(), count)),
    ("publish-shm-1k", |name, count| publish("shm", name, 1000, Options::default(), count)),
    ("publish-unix-64", |name, count| publish("unix", name, 64, Options::default(), count)),
    ("publish-named-shm-64", |name, count| {
        publish("shm", name, 64, Options::default().with_client_id("plot"), count)
    }),
    ("batch-shm-64", |name, count| batches("shm", name, count)),
    ("batch-unix-64", |name, count| batches("unix", name, count)),
    ("loan-shm-100k", loans),
    ("value-shm-cbor", |name, count| values(name, Encoding::Cbor, count)),
    ("value-shm-json", |name, count| values(name, Encoding::Json, count)),
];

fn payload(bytes: usize) -> Payload {
    Payload::from_bytes(Encoding::Raw, Bytes::from(vec![7; bytes]))
}

fn both(transport: &str, name: &str) -> Result<(Listener, Channel, Channel)> {
    let endpoint = format!("{transport}:{name}");
    let listener = Listener::listen(&endpoint, &Options::default())?;
    let near = Channel::connect(&endpoint, &Options::default(), SOON)?;
    let far = listener.accept(SOON)?;
    Ok((listener, near, far))
}

fn exchange(transport: &str, name: &str, bytes: usize, count: u64) -> Result<()> {
    let (_listener, near, far) = both(transport, name)?;
    let payload = payload(bytes);
    for _ in 0..count {
        near.send_payload(&payload, SOON)?;
        far.recv(SOON)?;
    }
    Ok(())
}

/// From bytes of the program to memory of the program.
fn lent(transport: &str, name: &str, bytes: usize, count: u64) -> Result<()> {
    let (_listener, near, far) = both(transport, name)?;
    let (bytes, mut memory) = (vec![7; bytes], vec![0; bytes]);
    for _ in 0..count {
        near.send_bytes(Encoding::Raw, &bytes, SOON)?;
        far.recv_into(&mut memory, SOON)?;
    }
    Ok(())
}

fn values(name: &str, encoding: Encoding, count: u64) -> Result<()> {
    let (_listener, near, far) = both("shm", name)?;
    let place = Value::map([("hall", Value::from("north")), ("row", Value::from(7))]);
    let samples = Value::from(vec![21.4, 21.5, 21.75]);
    let value = Value::map([("celsius", Value::from(21.4)), ("place", place), ("samples", samples)]);
    for _ in 0..count {
        near.send_payload(&Payload::new(&value, encoding, &Limits::default())?, SOON)?;
        far.recv(SOON)?.value()?;
    }
    Ok(())
}

fn batches(transport: &str, name: &str, count: u64) -> Result<()> {
    let (_listener, near, far) = both(transport, name)?;
    let payloads = vec![payload(64); 32];
    for _ in 0..count.div_ceil(32) {
        near.send_payloads(&payloads, SOON)?;
        let mut received = 0;
        while received < payloads.len() {
            received += far.recv_many(payloads.len() - received, SOON)?.len();
        }
    }
    Ok(())
}

fn calls(name: &str, count: u64, run: fn(&str, &Payload, u64) -> Result<()>) -> Result<()> {
    run(name, &payload(64), count)
}

fn call_server(name: &str, payload: &Payload, count: u64) -> Result<()> {
    let endpoint = format!("shm:{name}");
    let server = Server::serve(&endpoint, &Options::default())?;
    let client = Channel::connect(&endpoint, &Options::default(), SOON)?;
    for _ in 0..count {
        let pending = client.start_call(payload, SOON)?;
        if let Some(request) = server.next(SOON)? {
            request.reply_payload(payload)?;
        }
        client.finish_call(&pending, SOON)?;
    }
    Ok(())
}

fn call_channel(name: &str, payload: &Payload, count: u64) -> Result<()> {
    let (_listener, near, far) = both("shm", name)?;
    for _ in 0..count {
        let pending = near.start_call(payload, SOON)?;
        let request = far.recv(SOON)?;
        far.reply_payload(&request, payload, SOON)?;
        near.finish_call(&pending, SOON)?;
    }
    Ok(())
}

/// With a `client_id` the subscriber keeps its position.
fn publish(transport: &str, name: &str, bytes: usize, options: Options, count: u64) -> Result<()> {
    let endpoint = format!("{transport}:{name}");
    let publisher = Publisher::new(&endpoint, &Options::default())?;
    let subscriber = Subscriber::new(&endpoint, &options)?;
    let payload = payload(bytes);
    for _ in 0..count {
        publisher.send_payload(&payload)?;
        subscriber.recv(SOON)?;
    }
    Ok(())
}

fn loans(name: &str, count: u64) -> Result<()> {
    let (_listener, near, far) = both("shm", name)?;
    for _ in 0..count {
        let loan = near.loan::<u64>(&[12_500])?;
        near.send(&Value::from(loan), SOON)?;
        far.recv(SOON)?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for tools/instructions")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["--rows"] {
        ROWS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let [row, count] = &arguments[..] else {
        eprintln!("usage: test-messages --rows | ROW COUNT");
        return ExitCode::from(2);
    };
    let run = ROWS.iter().find(|(name, _)| name == row).map(|(_, run)| run);
    let (Some(run), Ok(count)) = (run, count.parse()) else {
        eprintln!("test-messages: there is no row {row} or no count {count}");
        return ExitCode::FAILURE;
    };
    match run(&format!("costs-{row}-{}", std::process::id()), count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("test-messages: {error}");
            ExitCode::FAILURE
        }
    }
}
