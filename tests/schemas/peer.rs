//! The peer in Rust. See README.md.

pub mod grid_everything;

use std::time::Duration;

use grid_everything::GridEverything;
use linkspan::{Channel, Options, RemoteFailure, Result, Server, Timeout, Value};

const SOON: Duration = Duration::from_secs(90);

fn serve(endpoint: &str, encoding: &str, next: Option<&str>) -> Result<()> {
    let mut options = Options::default();
    options.set("encoding", &encoding.into())?;
    options.set("timeout", &Value::Float(SOON.as_secs_f64()))?;
    let next = next.map(|next| Channel::connect(next, &options, SOON)).transpose()?;
    let server = Server::serve(endpoint, &options)?;
    println!("ready");
    while let Some(request) = server.next(Timeout::Default)? {
        if *request.value()? == Value::Null {
            request.reply(&Value::Null)?;
            return server.close(SOON);
        }
        let value = GridEverything::decode(&request).and_then(|value| match &next {
            None => Ok(value),
            Some(next) => GridEverything::decode(&next.call(&value, SOON)?),
        });
        match value {
            Ok(value) => request.reply(&value)?,
            Err(error) => request.fail(&RemoteFailure {
                code: 0,
                kind: error.kind().name().into(),
                text: error.to_string(),
                data: Vec::new(),
            })?,
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [endpoint, encoding] => serve(endpoint, encoding, None),
        [endpoint, encoding, next] => serve(endpoint, encoding, Some(next)),
        _ => panic!("usage: PEER ENDPOINT ENCODING [NEXT]"),
    }
}
