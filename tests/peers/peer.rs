//! The peer in Rust: see README.md here.

#![allow(clippy::print_stdout, reason = "a program for people and tests to read")]

use std::process::exit;
use std::time::Duration;

use bytes::Bytes;
use linkspan::codec::{decode, encode};
use linkspan::{Channel, Encoding, ErrorKind, Options, RemoteFailure, Result, Server, Timeout, Value};

const SOON: Duration = Duration::from_secs(20);

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

fn call(endpoint: &str, encoding: &str, vectors: &str) -> Result<()> {
    let encoding = Encoding::from_name(encoding)?;
    let file = std::fs::read(vectors).unwrap_or_default();
    let cases = decode(&file, Encoding::Json)?;
    let cases = cases.as_array()?;
    let channel = Channel::connect(endpoint, &options(encoding.name())?, SOON)?;
    let mut expected = Vec::new();
    for case in cases {
        let name = case.at("name")?.as_text()?;
        let value = decode(&bytes_of(case, encoding)?, encoding)?;
        let cbor = bytes_of(case, Encoding::Cbor)?;
        same(name, &encode(channel.call(&value, SOON)?.value()?, Encoding::Cbor)?, &cbor);
        expected.push((name, value, cbor));
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

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", endpoint, encoding] => serve(endpoint, encoding),
        ["call", endpoint, encoding, vectors] => call(endpoint, encoding, vectors),
        _ => {
            println!("usage: peer serve ENDPOINT ENCODING | call ENDPOINT ENCODING VECTORS");
            exit(2);
        }
    }
}
