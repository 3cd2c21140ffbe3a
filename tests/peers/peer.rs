//! The peer in Rust. See README.md.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program for people and tests to read")]

use std::io::BufRead;
use std::process::exit;
use std::time::Duration;

use bytes::Bytes;
use linkspan::codec::{decode, encode};
use linkspan::{
    Channel, Encoding, ErrorKind, Options, Publisher, RemoteFailure, Result, Server, Subscriber, Timeout,
    Value,
};

const SOON: Duration = Duration::from_secs(60);

fn options(encoding: &str) -> Result<Options> {
    let mut options = Options::default();
    options.set("encoding", &encoding.into())?;
    options.set("timeout", &Value::Float(SOON.as_secs_f64()))?;
    Ok(options)
}

fn serve(endpoint: &str, encoding: &str) -> Result<()> {
    let server = Server::serve(endpoint, &options(encoding)?)?;
    println!("ready");
    let mut sent: Vec<Value> = Vec::new();
    while let Some(request) = server.next(Timeout::Default)? {
        let value = request.value()?;
        if !request.wants_reply() {
            sent.push(Bytes::from(encode(value, Encoding::Cbor)?).into());
            continue;
        }
        match value.at("peer").and_then(Value::as_text) {
            Ok("sent") => request.reply(&Value::Array(std::mem::take(&mut sent)))?,
            Ok("fail") => request.fail(&RemoteFailure {
                code: 7,
                kind: "peer.fail".into(),
                text: "asked to fail".into(),
                data: encode(&Value::from(vec![1i64, 2]), Encoding::Cbor)?,
            })?,
            Ok("drop") => drop(request),
            Ok("stop") => {
                request.reply(&Value::Null)?;
                return server.close(SOON);
            }
            _ => request.reply(value)?,
        }
    }
    Ok(())
}

fn same(name: &str, got: &[u8], expected: &[u8]) {
    if got != expected {
        println!("{name}: expected {expected:02x?}, got {got:02x?}");
        exit(1);
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap_or_default()).collect()
}

fn bytes_of(case: &Value, encoding: Encoding) -> Result<Vec<u8>> {
    let text = case.at(encoding.name())?.as_text()?;
    Ok(if encoding == Encoding::Json { text.into() } else { hex(text) })
}

/// Returns name, value and CBOR of each vector, read in an encoding.
fn read(vectors: &str, encoding: &str) -> Result<Vec<(String, Value, Vec<u8>)>> {
    let encoding = Encoding::from_name(encoding)?;
    let file = std::fs::read(vectors).unwrap_or_default();
    let mut read = Vec::new();
    for case in decode(&file, Encoding::Json)?.as_array()? {
        let value = decode(&bytes_of(case, encoding)?, encoding)?;
        read.push((case.at("name")?.as_text()?.to_owned(), value, bytes_of(case, Encoding::Cbor)?));
    }
    Ok(read)
}

fn call(endpoint: &str, encoding: &str, vectors: &str) -> Result<()> {
    let expected = read(vectors, encoding)?;
    let channel = Channel::connect(endpoint, &options(encoding)?, SOON)?;
    for (name, value, cbor) in &expected {
        same(name, &encode(channel.call(value, SOON)?.value()?, Encoding::Cbor)?, cbor);
    }
    for (_, value, _) in &expected {
        channel.send(value, SOON)?;
    }
    let answer = channel.call(&Value::map([("peer", "sent")]), SOON)?;
    let got = answer.value()?.as_array()?;
    if got.len() != expected.len() {
        println!("{} were sent, {} arrived", expected.len(), got.len());
        exit(1);
    }
    for ((name, _, cbor), got) in expected.iter().zip(got) {
        same(&format!("{name} (sent)"), got.as_bytes()?, cbor);
    }
    for (what, kind) in [("fail", "peer.fail"), ("drop", "linkspan.unanswered")] {
        match channel.call(&Value::map([("peer", what)]), SOON) {
            Err(e) if e.kind() == ErrorKind::Remote && e.remote_failure().is_some_and(|f| f.kind == kind) => {
            }
            other => {
                println!("{what}: another outcome came: {other:?}");
                exit(1);
            }
        }
    }
    println!("{0} called, {0} sent, 2 failed", expected.len());
    channel.close(SOON)
}

fn send(endpoint: &str, encoding: &str, vectors: &str) -> Result<()> {
    let channel = Channel::connect(endpoint, &options(encoding)?, SOON)?;
    for (_, value, _) in &read(vectors, encoding)? {
        channel.send(value, SOON)?;
    }
    channel.close(SOON)
}

fn receive(endpoint: &str, encoding: &str, vectors: &str) -> Result<()> {
    let expected = read(vectors, encoding)?;
    let server = Server::serve(endpoint, &options(encoding)?)?;
    println!("ready");
    for (name, _, cbor) in &expected {
        let Some(sent) = server.next(SOON)? else { exit(1) };
        same(name, &encode(sent.value()?, Encoding::Cbor)?, cbor);
    }
    println!("{} received", expected.len());
    server.close(SOON)
}

fn publish(endpoint: &str, encoding: &str, vectors: &str) -> Result<()> {
    let all = read(vectors, encoding)?;
    let publisher = Publisher::new(endpoint, &options(encoding)?)?;
    let mut answers = std::io::stdin().lock().lines();
    for (i, (name, value, _)) in all.iter().enumerate() {
        publisher.send(value)?;
        if i == 0 {
            println!("ready");
        }
        match answers.next() {
            Some(Ok(line)) if line == "received" => {}
            other => {
                println!("{name}: it was not received: {other:?}");
                exit(1);
            }
        }
    }
    println!("{} published", all.len());
    publisher.close(linkspan::Wait::default()).unwrap();
    Ok(())
}

fn subscribe(endpoint: &str, encoding: &str, vectors: &str) -> Result<()> {
    let subscriber = Subscriber::new(endpoint, &options(encoding)?)?;
    for (name, _, cbor) in &read(vectors, encoding)? {
        same(name, &encode(subscriber.recv(SOON)?.value()?, Encoding::Cbor)?, cbor);
        println!("received");
    }
    subscriber.close();
    Ok(())
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", endpoint, encoding] => serve(endpoint, encoding),
        ["call", endpoint, encoding, vectors] => call(endpoint, encoding, vectors),
        ["send", endpoint, encoding, vectors] => send(endpoint, encoding, vectors),
        ["receive", endpoint, encoding, vectors] => receive(endpoint, encoding, vectors),
        ["publish", endpoint, encoding, vectors] => publish(endpoint, encoding, vectors),
        ["subscribe", endpoint, encoding, vectors] => subscribe(endpoint, encoding, vectors),
        _ => {
            println!(
                "usage: peer serve ENDPOINT ENCODING | call, send, receive, publish or subscribe ENDPOINT ENCODING VECTORS"
            );
            exit(2);
        }
    }
}
