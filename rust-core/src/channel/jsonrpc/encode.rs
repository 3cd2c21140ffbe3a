//! How a frame that leaves is written as a line.

use super::{JsonRpc, Owed, REMEMBERED, error};
use crate::codec::{self, Encoding, Unread};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Kind, Outgoing};
use crate::value::Value;

pub fn say(rpc: &JsonRpc, frame: &Outgoing<'_>) -> Result<Option<Vec<u8>>> {
    let number = frame.header.sequence;
    match frame.header.kind {
        Kind::Data => Ok(Some(one_line(json(frame)?.to_owned()).into_bytes())),
        Kind::Request => {
            let line = request(rpc, json(frame)?, number)?;
            let mut open = rpc.open();
            // Before it goes: the answer may be here before the call that sends has returned.
            if open.asked.back() != Some(&number) {
                if open.asked.len() == REMEMBERED {
                    open.asked.pop_front();
                }
                open.asked.push_back(number);
            }
            Ok(Some(one_line(line).into_bytes()))
        }
        Kind::Reply | Kind::Error => {
            let Owed { id, batch } = owed(rpc, frame.header.correlation)?;
            let answer = one_line(answer(frame, &id)?);
            let Some(of) = batch else { return Ok(Some(answer.into_bytes())) };
            let open = rpc.open();
            match open.batches.get(&of) {
                Some(batch) if batch.left > 1 => Ok(None),
                Some(batch) if !batch.answers.is_empty() => {
                    Ok(Some(format!("[{},{answer}]", batch.answers).into_bytes()))
                }
                _ => Ok(Some(format!("[{answer}]").into_bytes())),
            }
        }
        _ => Ok(None),
    }
}

pub fn said(rpc: &JsonRpc, frame: &Outgoing<'_>) {
    if !matches!(frame.header.kind, Kind::Reply | Kind::Error) {
        return;
    }
    let number = frame.header.correlation;
    let Ok(Owed { id, batch }) = owed(rpc, number) else { return };
    // Written once more only where it waits for the rest of its batch.
    let answer = batch.and_then(|_| answer(frame, &id).ok()).map(one_line).unwrap_or_default();
    rpc.open().settle(number, &answer);
}

fn owed(rpc: &JsonRpc, number: u64) -> Result<Owed> {
    rpc.open().owed.get(&number).cloned().ok_or_else(|| {
        let text = format!(
            "this request has been answered, came over a connection that has ended, or {REMEMBERED} later ones have come since"
        );
        Error::new(ErrorKind::InvalidState, text)
    })
}

/// The body, which has to be JSON.
fn json<'a>(frame: &Outgoing<'a>) -> Result<&'a str> {
    let encoding = frame.header.encoding;
    if encoding != Encoding::Json {
        let text = format!(
            "framing=\"lines\" carries one JSON text a line, here is {}; encode it as json, or use Linkspan's own framing",
            encoding.name()
        );
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    std::str::from_utf8(frame.body)
        .map_err(|e| Error::new(ErrorKind::Malformed, "text is not UTF-8").at(e.valid_up_to()))
}

/// The ends of lines within a text of JSON are white space: in a string they are written as escapes.
fn one_line(mut text: String) -> String {
    if text.contains(['\n', '\r']) {
        text = text.replace(['\n', '\r'], " ");
    }
    text
}

fn answer(frame: &Outgoing<'_>, id: &str) -> Result<String> {
    Ok(match frame.header.kind {
        Kind::Reply => format!("{{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":{id}}}", json(frame)?),
        _ => {
            let error = error::write(frame.body, frame.header.encoding)?;
            format!("{{\"jsonrpc\":\"2.0\",\"error\":{error},\"id\":{id}}}")
        }
    })
}

/// The request that a value to be called stands for.
fn request(rpc: &JsonRpc, body: &str, number: u64) -> Result<String> {
    const SHAPE: &str = "a call over framing=\"lines\" is a request of JSON-RPC 2.0: give a map with \"method\", a text, and where need be \"params\", an array or a map";
    let wrong =
        |kind, what: &str, path: &str| Err(Error::new(kind, format!("{what}; {SHAPE}")).with_path(path));
    codec::decode_into(body.as_bytes(), Encoding::Json, &rpc.limits, Unread)?;
    let Some(members) = codec::members(body) else {
        return Err(Error::new(ErrorKind::WrongType, format!("the value is no map; {SHAPE}")));
    };
    let (mut line, mut method) = (String::from("{\"jsonrpc\":\"2.0\""), false);
    for (key, value) in &members {
        match &**key {
            "jsonrpc" if *value == "\"2.0\"" => continue,
            "jsonrpc" => return wrong(ErrorKind::Unsupported, "another version is asked for", "jsonrpc"),
            "id" => return wrong(ErrorKind::Unsupported, "the id of a call is chosen here", "id"),
            "method" if !value.starts_with('"') => {
                return wrong(ErrorKind::WrongType, "the method is no text", "method");
            }
            "params" if !value.starts_with(['{', '[']) => {
                return wrong(ErrorKind::WrongType, "the params are neither an array nor a map", "params");
            }
            "method" => method = true,
            _ => {}
        }
        let key = codec::encode(&Value::from(key.as_ref()), Encoding::Json)?;
        line.push(',');
        line.push_str(&String::from_utf8_lossy(&key));
        line.push(':');
        line.push_str(value);
    }
    if !method {
        return wrong(ErrorKind::Missing, "there is no method", "method");
    }
    line.push_str(&format!(",\"id\":{number}}}"));
    Ok(line)
}
