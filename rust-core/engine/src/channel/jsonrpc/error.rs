//! Error objects of JSON-RPC 2.0, and their failures.

use crate::codec::{self, Encoding};
use crate::error::{Error, RemoteFailure, Result};
use crate::value::{Map, Value};

pub const PARSE_ERROR: i64 = -32700;
pub const INVALID_REQUEST: i64 = -32600;

pub fn describe(code: i64, error: &Error) -> RemoteFailure {
    let text = if code == PARSE_ERROR { "Parse error" } else { "Invalid Request" };
    let reason = Value::from(error.to_string());
    RemoteFailure {
        code,
        kind: error.kind().name().into(),
        text: text.into(),
        // Every text can be encoded as CBOR.
        data: codec::encode(&reason, Encoding::Cbor).unwrap_or_default(),
    }
}

/// Returns the error object for a failure in the body of an error frame.
///
/// The object's `data` is a map of the dotted `type` and the handler's `data`, if they exist.
pub fn write(body: &[u8], encoding: Encoding) -> Result<String> {
    let failure = codec::decode(body, encoding)?;
    let mut data = Map::new();
    if !failure.at("type")?.as_text()?.is_empty() {
        data.insert("type".into(), failure.at("type")?.clone());
    }
    if let Ok(more) = failure.at("data") {
        data.insert("data".into(), more.clone());
    }
    let mut error = Map::new();
    error.insert("code".into(), failure.at("code")?.clone());
    error.insert("message".into(), failure.at("text")?.clone());
    if !data.is_empty() {
        error.insert("data".into(), Value::Map(data));
    }
    let text = codec::encode(&Value::Map(error), Encoding::Json)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Returns the failure of an error object.
///
/// An object without a code and a message becomes the failure's data as a whole: a foreign server's answer is never
/// lost.
pub fn read(object: &str) -> Result<RemoteFailure> {
    let error = codec::decode(object.as_bytes(), Encoding::Json)?;
    let parsed = (|| -> Result<(i64, String)> {
        Ok((error.at("code")?.as_i64()?, error.at("message")?.as_text()?.to_owned()))
    })();
    let Ok((code, text)) = parsed else {
        let text = "the answer holds neither a result nor an error with a code and a message";
        let data = codec::encode(&error, Encoding::Cbor)?;
        return Ok(RemoteFailure { code: 0, kind: String::new(), text: text.into(), data });
    };
    let mut kind = String::new();
    let mut data = error.at("data").ok();
    if let Some(Value::Map(map)) = data
        && let Some(Value::Text(named)) = map.get("type")
    {
        kind = named.to_string();
        // A map with only a type, or a type and data, came from a Linkspan server; any other is passed on whole.
        match (map.len(), map.get("data")) {
            (1, None) => data = None,
            (2, Some(inner)) => data = Some(inner),
            _ => {}
        }
    }
    let data = data.map(|data| codec::encode(data, Encoding::Cbor)).transpose()?.unwrap_or_default();
    Ok(RemoteFailure { code, kind, text, data })
}
