//! Load for `make bench-gateway`: clients of a gateway, a JSON peer or NATS that measure latency.
//!
//! usage: gateway-load KIND ADDRESS TOKEN CLIENTS SECONDS SKIP NAME...
//!
//! Each message contains `T=` and 19 digits: its send time in nanoseconds since 1970. The SKIP bytes after them are
//! not searched. Prints `ready` once all clients have a message. Then prints the number of messages, their bytes, and
//! the latencies at 50 and 99 %, in nanoseconds.

use std::io::{Error, ErrorKind, Result, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use linkspan::{Encoding, Value, codec};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[derive(Default)]
struct Counts {
    messages: u64,
    bytes: u64,
    latencies: Vec<u64>,
    /// Clients that have received a message.
    ready: usize,
}

type Shared = Arc<Mutex<Counts>>;

#[derive(Clone)]
struct Plan {
    kind: String,
    address: String,
    token: String,
    skip: usize,
    names: Vec<String>,
}

fn now() -> u64 {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns a client frame with mask 0, which leaves the bytes unchanged.
fn frame(opcode: u8, body: &[u8]) -> Vec<u8> {
    let mut made = vec![0x80 | opcode];
    match u16::try_from(body.len()) {
        Ok(length @ 0..126) => made.push(0x80 | length as u8),
        Ok(length) => made.extend([&[0xfe][..], &length.to_be_bytes()].concat()),
        Err(_) => made.extend([&[0xff][..], &(body.len() as u64).to_be_bytes()].concat()),
    }
    made.extend([0; 4]);
    made.extend(body);
    made
}

fn opening(plan: &Plan) -> Vec<Vec<u8>> {
    let text = |text: String| frame(1, text.as_bytes());
    match plan.kind.as_str() {
        "cbor" | "json" => {
            let names = plan.names.iter().map(|name| Value::from(name.as_str())).collect::<Vec<_>>();
            let hello = Value::map([
                ("type", Value::from("hello")),
                ("version", 1.into()),
                ("token", plan.token.as_str().into()),
            ]);
            let subscribe = Value::map([
                ("type", Value::from("subscribe")),
                ("id", 1.into()),
                ("names", Value::Array(names)),
            ]);
            let (encoding, opcode) =
                if plan.kind == "cbor" { (Encoding::Cbor, 2) } else { (Encoding::Json, 1) };
            let each = [hello, subscribe];
            each.iter()
                .filter_map(|one| codec::encode(one, encoding).ok())
                .map(|one| frame(opcode, &one))
                .collect()
        }
        "peer" => plan
            .names
            .iter()
            .map(|name| text(format!(r#"{{"op": "subscribe", "topic": "{name}"}}"#)))
            .collect(),
        _ => {
            let mut all = "CONNECT {\"verbose\": false}\r\n".to_owned();
            for (at, name) in plan.names.iter().enumerate() {
                all += &format!("SUB {} {}\r\n", name.replace('/', "."), at + 1);
            }
            vec![frame(2, all.as_bytes())]
        }
    }
}

async fn open(plan: &Plan) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(&plan.address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let (path, protocol) = match plan.kind.as_str() {
        "cbor" => ("/linkspan", "Sec-WebSocket-Protocol: linkspan.v1.cbor\r\n"),
        "json" => ("/linkspan", "Sec-WebSocket-Protocol: linkspan.v1.json\r\n"),
        _ => ("/", ""),
    };
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{protocol}\r\n",
        plan.address
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await?);
    }
    if !answer.starts_with(b"HTTP/1.1 101") {
        return Err(Error::other(String::from_utf8_lossy(&answer).into_owned()));
    }
    for one in opening(plan) {
        stream.write_all(&one).await?;
    }
    Ok(stream)
}

/// Extracts the send times; returns the number of messages.
fn take(body: &[u8], skip: usize, latencies: &mut Vec<u64>) -> u64 {
    let (mut at, mut found, now) = (0, 0, now());
    while let Some(next) = body.get(at..).and_then(|rest| rest.windows(2).position(|two| two == b"T=")) {
        at += next + 2;
        let digits = body.get(at..at + 19).and_then(|text| std::str::from_utf8(text).ok());
        if let Some(sent) = digits.and_then(|text| text.parse::<u64>().ok()) {
            latencies.push(now.saturating_sub(sent));
            found += 1;
            at += 19 + skip;
        }
    }
    found
}

async fn client(plan: Plan, counts: Shared) -> Result<()> {
    let mut stream = open(&plan).await?;
    let mut body = Vec::new();
    let mut is_ready = false;
    loop {
        let [first, second] = [stream.read_u8().await?, stream.read_u8().await?];
        let length = match second & 127 {
            126 => u64::from(stream.read_u16().await?),
            127 => stream.read_u64().await?,
            short => u64::from(short),
        };
        body.resize(usize::try_from(length).map_err(|_| Error::from(ErrorKind::InvalidData))?, 0);
        stream.read_exact(&mut body).await?;
        match first & 15 {
            9 => stream.write_all(&frame(10, &body)).await?,
            8 => return Err(Error::other("the server closed the connection")),
            _ if body.starts_with(b"PING") => stream.write_all(&frame(2, b"PONG\r\n")).await?,
            _ => {
                let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                let found = take(&body, plan.skip, &mut counts.latencies);
                counts.messages += found;
                counts.bytes += length;
                if found > 0 && !std::mem::replace(&mut is_ready, true) {
                    counts.ready += 1;
                }
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [kind, address, token, clients, seconds, skip, names @ ..] = words.as_slice() else {
        return Err(Error::other("usage: gateway-load KIND ADDRESS TOKEN CLIENTS SECONDS SKIP NAME..."));
    };
    let number = |text: &str| text.parse::<u64>().map_err(Error::other);
    let plan = Plan {
        kind: kind.clone(),
        address: address.clone(),
        token: token.clone(),
        skip: number(skip)? as usize,
        names: names.to_vec(),
    };
    let counts = Shared::default();
    let clients = number(clients)? as usize;
    for _ in 0..clients {
        let (plan, counts) = (plan.clone(), counts.clone());
        tokio::spawn(async move {
            if let Err(error) = client(plan, counts).await {
                let _ = writeln!(std::io::stderr(), "a client ended: {error}");
                std::process::exit(1);
            }
        });
        // Connects one client at a time, because simultaneous connects are a different measurement.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    while counts.lock().unwrap_or_else(PoisonError::into_inner).ready < clients {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    *counts.lock().unwrap_or_else(PoisonError::into_inner) = Counts::default();
    tokio::time::sleep(Duration::from_secs(number(seconds)?)).await;
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    counts.latencies.sort_unstable();
    let at = |share: f64| {
        let last = counts.latencies.len().saturating_sub(1);
        counts.latencies.get((last as f64 * share) as usize).copied().unwrap_or_default()
    };
    writeln!(out, "{} {} {} {}", counts.messages, counts.bytes, at(0.5), at(0.99))
}
