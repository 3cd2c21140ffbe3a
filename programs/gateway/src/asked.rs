//! Requests of viewers, in JSON frames.

use linkspan::{Encoding, Error, ErrorKind, Result, Value, codec, quoted};

#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Subscriptions: pairs of subscription id and channel number.
    Subscribe(Vec<(u32, u32)>),
    Unsubscribe(Vec<u32>),
}

/// Returns the object in a frame; `None` if it is not one.
pub fn object(text: &[u8]) -> Option<Value> {
    codec::decode(text, Encoding::Json).ok().filter(|frame| matches!(frame, Value::Map(_)))
}

impl Asked {
    /// Reads a whole frame.
    ///
    /// # Errors
    /// A field is missing or has the wrong type; `OutOfRange` for numbers above 32 bits; `Unsupported` for other
    /// operations.
    pub fn of(frame: &Value) -> Result<Asked> {
        match frame.at("op")?.as_text()? {
            "subscribe" => {
                let all = frame.at("subscriptions")?.as_array()?.iter();
                let all = all.map(|one| Ok((number(one.at("id")?)?, number(one.at("channelId")?)?)));
                Ok(Asked::Subscribe(all.collect::<Result<_>>()?))
            }
            "unsubscribe" => {
                let ids = frame.at("subscriptionIds")?.as_array()?.iter().map(number);
                Ok(Asked::Unsubscribe(ids.collect::<Result<_>>()?))
            }
            other => {
                let text = format!(
                    "viewers subscribe to names, and do nothing else: {} was passed over",
                    quoted(other)
                );
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }
}

fn number(value: &Value) -> Result<u32> {
    let number = value.as_u64()?;
    u32::try_from(number)
        .map_err(|_| Error::new(ErrorKind::OutOfRange, format!("{number} is no number of 32 bits")))
}

#[cfg(test)]
#[path = "../tests/support/any_asked.rs"]
mod any_asked;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuzz_seeds_of_viewers_are_read_or_refused() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/viewers");
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 10, "{files:?}");
        for file in files {
            any_asked::take(&std::fs::read(file).unwrap());
        }
    }

    #[test]
    fn frames_of_viewers_are_read_as_a_whole_or_not_at_all() {
        let read = |text: &str| Asked::of(&object(text.as_bytes()).unwrap());
        assert_eq!(
            read(r#"{"op":"subscribe","subscriptions":[{"id":1,"channelId":2},{"id":3,"channelId":4,"more":null}]}"#).unwrap(),
            Asked::Subscribe(vec![(1, 2), (3, 4)])
        );
        assert_eq!(
            read(r#"{"op":"unsubscribe","subscriptionIds":[4294967295]}"#).unwrap(),
            Asked::Unsubscribe(vec![u32::MAX])
        );
        for (text, kind) in [
            (
                r#"{"op":"subscribe","subscriptions":[{"id":1,"channelId":2},{"id":-1,"channelId":2}]}"#,
                ErrorKind::OutOfRange,
            ),
            (r#"{"op":"unsubscribe","subscriptionIds":[1,4294967296]}"#, ErrorKind::OutOfRange),
            (r#"{"op":"subscribe"}"#, ErrorKind::Missing),
            (r#"{"op":["subscribe"]}"#, ErrorKind::WrongType),
            (r#"{"op":"advertise"}"#, ErrorKind::Unsupported),
        ] {
            assert_eq!(read(text).unwrap_err().kind(), kind, "{text}");
        }
        for text in ["", "[]", "1", "nul", "{", "\0"] {
            assert_eq!(object(text.as_bytes()), None, "{text}");
        }
    }
}
