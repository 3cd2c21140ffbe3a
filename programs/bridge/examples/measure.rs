//! One end of the measurements of `benches/bridge`: of zenoh only, or of Linkspan over bridges.
//!
//! Each end prints one line of numbers in JSON, or `ready` if it serves.

#![allow(clippy::print_stdout, missing_docs, reason = "a program that is run by benches/bridge")]

use std::error::Error;
use std::time::{Duration, Instant};

use linkspan::{Channel, ErrorKind, Options, Publisher, Server, Subscriber, Value, Wait};
use zenoh::Wait as _;
use zenoh::qos::CongestionControl;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Calls before the measured ones.
const WARM: usize = 300;
/// How long an end waits for the other one.
const SOON: Duration = Duration::from_secs(60);

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |at: usize| -> Result<usize, Box<dyn Error + Send + Sync>> {
        words.get(at).ok_or("an argument is missing")?.parse().map_err(Into::into)
    };
    match words[..] {
        ["zenoh-echo", address] => zenoh_echo(address),
        ["zenoh-call", address, ..] => zenoh_call(address, number(2)?, number(3)?),
        ["zenoh-publish", address, ..] => zenoh_publish(address, number(2)?, number(3)?),
        ["zenoh-count", address, ..] => zenoh_count(address, number(2)?),
        ["zenoh-names", address, ..] => zenoh_names(address, number(2)?, number(3)?),
        ["zenoh-take", address] => zenoh_take(address),
        ["echo", name] => echo(name),
        ["call", name, ..] => call(name, number(2)?, number(3)?),
        ["publish", name, ..] => publish(name, number(2)?, number(3)?),
        ["count", name, ..] => count(name, number(2)?),
        ["names", prefix, ..] => names(prefix, number(2)?, number(3)?),
        _ => Err("usage: measure (zenoh-)echo|call|publish|count|names WHERE [NUMBERS], or zenoh-take WHERE"
            .into()),
    }
}

fn session(address: &str, listens: bool) -> Result<zenoh::Session, Box<dyn Error + Send + Sync>> {
    let mut config = zenoh::Config::default();
    let (ours, other) = if listens {
        ("listen/endpoints", "connect/endpoints")
    } else {
        ("connect/endpoints", "listen/endpoints")
    };
    config.insert_json5(ours, &format!("[{address:?}]"))?;
    config.insert_json5(other, "[]")?;
    config.insert_json5("scouting/multicast/enabled", "false")?;
    zenoh::open(config).wait()
}

fn zenoh_echo(address: &str) -> Outcome {
    let session = session(address, true)?;
    let answer = |query: zenoh::query::Query| {
        let body = query.payload().cloned().unwrap_or_default();
        let _ = query.reply("bench/echo", body).wait();
    };
    let _queryable = session.declare_queryable("bench/echo").callback(answer).wait()?;
    serve()
}

fn zenoh_call(address: &str, size: usize, count: usize) -> Outcome {
    let session = session(address, false)?;
    let querier = session.declare_querier("bench/echo").timeout(SOON).wait()?;
    let until = Instant::now() + SOON;
    while !querier.matching_status().wait()?.matching() {
        (Instant::now() < until).then_some(()).ok_or("no server was seen")?;
        std::thread::sleep(Duration::from_millis(10));
    }
    let body = vec![7_u8; size];
    let times = measured(count, || {
        let replies = querier.get().payload(body.clone()).wait()?;
        let reply = replies.recv()?;
        let length = reply.result().map_err(|_| "an error instead of an answer")?.payload().len();
        (length == size).then_some(()).ok_or_else(|| "an answer of another length".into())
    })?;
    print_times(times);
    Ok(())
}

fn zenoh_publish(address: &str, size: usize, milliseconds: usize) -> Outcome {
    let session = session(address, true)?;
    let publisher =
        session.declare_publisher("bench/flow").congestion_control(CongestionControl::Block).wait()?;
    println!("ready");
    let until = Instant::now() + SOON;
    while !publisher.matching_status().wait()?.matching() {
        (Instant::now() < until).then_some(()).ok_or("no subscriber was seen")?;
        std::thread::sleep(Duration::from_millis(10));
    }
    let (body, until) = (vec![7_u8; size], Instant::now() + Duration::from_millis(milliseconds as u64));
    while Instant::now() < until {
        publisher.put(body.clone()).wait()?;
    }
    serve()
}

fn zenoh_count(address: &str, milliseconds: usize) -> Outcome {
    let session = session(address, false)?;
    let subscriber = session.declare_subscriber("bench/flow").wait()?;
    let first = subscriber.recv_timeout(SOON)?.ok_or("nothing came")?;
    let (begun, mut messages) = (Instant::now(), 0_u64);
    let time = Duration::from_millis(milliseconds as u64);
    while let Some(left) = time.checked_sub(begun.elapsed())
        && subscriber.recv_timeout(left)?.is_some()
    {
        messages += 1;
    }
    print_flow(messages, 0, first.payload().len(), begun.elapsed());
    Ok(())
}

/// Runs `count` publishers with one message each per period, as [`names`] does.
fn zenoh_names(address: &str, count: usize, milliseconds: usize) -> Outcome {
    let session = session(address, true)?;
    let declare = |at: usize| session.declare_publisher(format!("bench/name/{at}")).wait();
    let publishers = (0..count).map(declare).collect::<Result<Vec<_>, _>>()?;
    println!("ready");
    each_period(milliseconds, |number| {
        let publish = |publisher: &zenoh::pubsub::Publisher<'_>| publisher.put(number.to_string()).wait();
        publishers.iter().try_for_each(publish)
    })
}

fn zenoh_take(address: &str) -> Outcome {
    let session = session(address, false)?;
    let _subscriber = session.declare_subscriber("bench/name/**").callback(|_| ()).wait()?;
    serve()
}

fn echo(name: &str) -> Outcome {
    let server = Server::serve(name, &Options::default())?;
    println!("ready");
    while let Some(request) = server.next(Wait::from(Duration::MAX))? {
        let payload = linkspan::Payload::from_bytes(request.encoding(), request.body().clone());
        request.reply_payload(&payload)?;
    }
    Ok(())
}

fn call(name: &str, size: usize, count: usize) -> Outcome {
    let channel = Channel::connect(name, &Options::default(), SOON)?;
    let body = Value::Bytes(vec![7_u8; size].into());
    let times = measured(count, || {
        let message = channel.call(&body, SOON)?;
        let answer = message.value()?;
        (*answer == body).then_some(()).ok_or_else(|| "another answer".into())
    })?;
    print_times(times);
    Ok(())
}

/// Publishes as fast as possible without overtaking its local subscriber, the bridge.
fn publish(name: &str, size: usize, milliseconds: usize) -> Outcome {
    let publisher = Publisher::new(name, &Options::default())?;
    let payload = publisher.encode(&Value::Bytes(vec![7_u8; size].into()))?;
    println!("ready");
    publisher.wait_for_subscribers(1, SOON)?;
    // Until the other machine has the name and a subscriber.
    let begun = Instant::now();
    let time = Duration::from_millis(milliseconds as u64);
    while begun.elapsed() < time {
        publisher.send_payload(&payload)?;
    }
    serve()
}

fn count(name: &str, milliseconds: usize) -> Outcome {
    let subscriber = Subscriber::new(name, &Options::default())?;
    let size = subscriber.recv(SOON)?.body().len();
    let (begun, mut messages, mut lost) = (Instant::now(), 0_u64, 0_u64);
    let time = Duration::from_millis(milliseconds as u64);
    while let Some(left) = time.checked_sub(begun.elapsed()) {
        match subscriber.recv(left) {
            Ok(_) => messages += 1,
            Err(e) if e.kind() == ErrorKind::Lagged => lost += e.missed().unwrap_or(0),
            Err(e) if e.kind() == ErrorKind::Timeout => break,
            Err(e) => return Err(e.into()),
        }
    }
    print_flow(messages, lost, size, begun.elapsed());
    Ok(())
}

fn names(prefix: &str, count: usize, milliseconds: usize) -> Outcome {
    let publisher = |at: usize| Publisher::new(&format!("{prefix}/{at}"), &Options::default());
    let publishers = (0..count).map(publisher).collect::<Result<Vec<_>, _>>()?;
    println!("ready");
    each_period(milliseconds, |number| {
        let publish = |publisher: &Publisher| publisher.send(&Value::Int(number)).map(drop);
        Ok(publishers.iter().try_for_each(publish)?)
    })
}

fn each_period(milliseconds: usize, mut work: impl FnMut(i64) -> Outcome) -> Outcome {
    let period = Duration::from_millis(milliseconds as u64);
    for number in 0.. {
        let begun = Instant::now();
        work(number)?;
        std::thread::sleep(period.saturating_sub(begun.elapsed()));
    }
    Ok(())
}

fn serve() -> Outcome {
    println!("ready");
    loop {
        std::thread::park();
    }
}

fn measured(
    count: usize,
    mut call: impl FnMut() -> Outcome,
) -> Result<Vec<u64>, Box<dyn Error + Send + Sync>> {
    let mut times = Vec::with_capacity(count);
    for at in 0..WARM + count {
        let begun = Instant::now();
        call()?;
        if at >= WARM {
            times.push(u64::try_from(begun.elapsed().as_nanos())?);
        }
    }
    times.sort_unstable();
    Ok(times)
}

fn print_times(times: Vec<u64>) {
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)] as f64 / 1e3;
    println!("{{\"p50\": {:.1}, \"p99\": {:.1}}}", at(50), at(99));
}

fn print_flow(messages: u64, lost: u64, size: usize, time: Duration) {
    let rate = messages as f64 / time.as_secs_f64();
    let megabytes = rate * size as f64 / 1e6;
    println!("{{\"messages\": {rate:.0}, \"megabytes\": {megabytes:.1}, \"lost\": {lost}}}");
}
