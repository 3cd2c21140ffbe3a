//! The messages of a journal's stream: a map, and the body of a record after it.
//!
//! | from | map | meaning |
//! |---|---|---|
//! | exporting bridge | `identity`, `oldest`, `last` | the journal and its available records; sent first |
//! | importing bridge | `from` | the number of the first requested record |
//! | exporting bridge | `schema` | the canonical form of a schema, before the first record that names it |
//! | | `record`, `sent`, `source`, `incarnation`, `schema_id`, `encoding`, `begins` | a record; its body follows |
//! | | `oldest` | the records below this number are deleted |
//! | | `failed` | why nothing more follows |

use bytes::Bytes;
use linkspan::{History, Value};
use linkspan_relay::ReplicaRecord;

use crate::engine::{encoding_of, mime};
use crate::links::{pack, unpack};

#[derive(Clone, Debug)]
pub enum Message {
    /// The journal and its available records. Only its oldest segment is sent.
    Journal(History),
    From(u64),
    Schema(Bytes),
    Record(ReplicaRecord),
    /// The records below this number are deleted.
    Oldest(u64),
    /// Why nothing more follows.
    Failed(String),
}

impl Message {
    pub fn to_bytes(&self) -> Bytes {
        let (map, body) = match self {
            Message::Journal(History { identity, segments, last, .. }) => {
                let identity = Value::Bytes(Bytes::copy_from_slice(identity));
                let oldest = segments.first().copied().unwrap_or(1);
                let fields = [("identity", identity), ("oldest", oldest.into()), ("last", (*last).into())];
                (Value::map(fields), &Bytes::new())
            }
            Message::From(number) => (Value::map([("from", *number)]), &Bytes::new()),
            Message::Schema(form) => (Value::map([("schema", Value::Bytes(form.clone()))]), &Bytes::new()),
            Message::Oldest(number) => (Value::map([("oldest", *number)]), &Bytes::new()),
            Message::Failed(why) => (Value::map([("failed", why.as_str())]), &Bytes::new()),
            Message::Record(record) => {
                let fields = [
                    ("record", Value::from(record.sequence)),
                    ("sent", record.sent.into()),
                    ("source", record.source.as_str().into()),
                    ("incarnation", record.session.into()),
                    ("schema_id", record.schema.into()),
                    ("encoding", mime(record.encoding).into()),
                    ("begins", record.begins.into()),
                ];
                (Value::map(fields), &record.body)
            }
        };
        pack(&map, body)
    }

    /// Decodes a message; `None` for invalid bytes. Ignores unknown keys. A record's body shares the bytes' memory.
    pub fn from_bytes(bytes: &Bytes) -> Option<Message> {
        let (map, body) = unpack(bytes)?;
        let number = |key: &str| map.at(key).and_then(Value::as_u64).ok();
        let text = |key: &str| map.at(key).and_then(Value::as_text).ok();
        let some_bytes = |key: &str| map.at(key).and_then(Value::as_bytes).ok();
        if let Some(identity) = some_bytes("identity") {
            let (identity, segments) = (identity[..].try_into().ok()?, vec![number("oldest")?]);
            return Some(Message::Journal(History {
                identity,
                segments,
                last: number("last")?,
                machine: None,
            }));
        }
        if let Some(sequence) = number("record") {
            return Some(Message::Record(ReplicaRecord {
                sequence,
                sent: map.at("sent").and_then(Value::as_i64).ok()?,
                source: text("source")?.to_owned(),
                session: number("incarnation")?,
                schema: number("schema_id")?,
                encoding: encoding_of(text("encoding")),
                body,
                begins: map.at("begins").and_then(Value::as_bool).ok()?,
            }));
        }
        let schema = || some_bytes("schema").map(|form| Message::Schema(form.clone()));
        let failed = || text("failed").map(|why| Message::Failed(why.to_owned()));
        let from = || number("from").map(Message::From);
        from().or_else(|| number("oldest").map(Message::Oldest)).or_else(schema).or_else(failed)
    }
}

#[cfg(test)]
mod tests {
    use linkspan::Encoding;

    use super::*;

    #[test]
    fn messages_are_read_as_they_are_written() {
        let history = History { identity: [7; 16], segments: vec![3], last: 9, machine: None };
        let record = ReplicaRecord {
            sequence: 1 << 61,
            sent: -5,
            source: "logger".into(),
            session: u64::MAX,
            schema: 3,
            encoding: Encoding::Smile,
            body: Bytes::from_static(b"body"),
            begins: true,
        };
        for message in [
            Message::Journal(history),
            Message::From(4),
            Message::Schema(Bytes::from_static(b"form")),
            Message::Record(record.clone()),
            Message::Record(ReplicaRecord { body: Bytes::new(), begins: false, ..record }),
            Message::Oldest(8),
            Message::Failed("the disk is full".into()),
        ] {
            let bytes = message.to_bytes();
            let read = Message::from_bytes(&bytes).map(|read| format!("{read:?}"));
            assert_eq!(read, Some(format!("{message:?}")));
            // Bytes that end before the body are not a message.
            let head = 4 + u32::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
            for end in 0..head {
                assert!(Message::from_bytes(&bytes.slice(..end)).is_none(), "{message:?} {end}");
            }
        }
        assert!(Message::from_bytes(&Bytes::from_static(b"\x01\0\0\0\xa0")).is_none());
    }
}
