//! The reply of a failed handler: the terms of JSON-RPC 2.0 as a map of code, type, text and data.

use super::{Message, Payload};
use crate::codec::{self, Encoding};
use crate::error::{Error, RemoteFailure, Result};
use crate::value::{Map, Value};

/// Returns the body of a reply of kind `error`. Cuts a text that is too long for a message.
///
/// # Errors
/// `TooLarge` if the data is too long for a message; the decoder's error if the data is malformed.
pub fn to_payload(failure: &RemoteFailure) -> Result<Payload> {
    let failure = failure.bounded();
    let mut map = Map::new();
    map.insert("code".into(), failure.code.into());
    map.insert("type".into(), failure.kind.as_str().into());
    map.insert("text".into(), failure.text.as_str().into());
    if !failure.data.is_empty() {
        map.insert("data".into(), codec::decode(&failure.data, Encoding::Cbor)?);
    }
    Ok(Payload::from_bytes(Encoding::Cbor, codec::encode(&Value::Map(map), Encoding::Cbor)?.into()))
}

/// Returns the error in a reply of kind `error`, or the decoder's error if the reply is malformed.
pub fn from_message(message: &Message) -> Error {
    let read = || -> Result<RemoteFailure> {
        let value = message.value()?;
        let data = match value.at("data") {
            Ok(data) => codec::encode(data, Encoding::Cbor)?,
            Err(_) => Vec::new(),
        };
        Ok(RemoteFailure {
            code: value.at("code")?.as_i64()?,
            kind: value.at("type")?.as_text()?.to_owned(),
            text: value.at("text")?.as_text()?.to_owned(),
            data,
        })
    };
    read().map_or_else(|e| e, Error::remote)
}
