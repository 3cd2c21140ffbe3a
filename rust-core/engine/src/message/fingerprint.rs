//! The check that generated code fits the schema of a message.
//!
//! A generated decoder contains the positions and units of one schema. A message of another schema may have the same
//! keys or size, and would decode to wrong numbers without an error. The decoder therefore compares its fingerprint
//! with the sender's fingerprint, which comes from the connection, a journal record, or a recording's channel.

use super::{Message, SchemaIds};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::schema::id_of_text;

impl Message {
    /// Returns the first 16 hexadecimal digits of the sender's fingerprint; `None` without a schema.
    pub fn schema_id(&self) -> Option<String> {
        let SchemaIds { sender, .. } = self.inner().schemas;
        (sender != 0).then(|| Beginning(sender).to_string())
    }

    /// Checks that generated code with this fingerprint (64 hexadecimal digits) fits the message.
    ///
    /// It may if the sender gave this schema or none, or if this side was opened with this schema: then both schemas
    /// were compared when the sides connected.
    ///
    /// # Errors
    /// `SchemaMismatch` for a message of another schema; `Malformed` for a text that is not a fingerprint.
    pub fn check_fingerprint(&self, fingerprint: &str) -> Result<()> {
        let SchemaIds { sender, receiver } = self.inner().schemas;
        let own = id_of_text(fingerprint).ok_or_else(|| no_fingerprint(fingerprint))?;
        if sender == 0 || own == sender || own == receiver {
            return Ok(());
        }
        Err(self.other_schema(own))
    }

    #[cold]
    fn other_schema(&self, own: u64) -> Error {
        let SchemaIds { sender, receiver } = self.inner().schemas;
        let opened = match receiver {
            0 => "no schema was given here".to_owned(),
            other => format!("this side was opened with the schema {}", Beginning(other)),
        };
        let text = format!(
            "{} sent this message with the schema whose fingerprint begins with {}, {opened}, and the code that decodes the message was \
             generated from the schema {}: open with the option schema of that code, so that the two are compared when the sides connect, or \
             generate the code from the sender's schema (`linkspan schema show NAME`; a recording has it as well)",
            quoted(self.source()),
            Beginning(sender),
            Beginning(own),
        );
        Error::new(ErrorKind::SchemaMismatch, text)
    }
}

#[cold]
fn no_fingerprint(text: &str) -> Error {
    let text = format!(
        "{} is no fingerprint of a schema, which has 64 hexadecimal digits: `linkspan schema fingerprint FILE` prints it",
        quoted(text)
    );
    Error::new(ErrorKind::Malformed, text)
}

struct Beginning(u64);

impl std::fmt::Display for Beginning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.to_le_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::codec::{self, Encoding};
    use crate::frame::{Header, Incoming, Kind};
    use crate::message::ReceivedFrom;
    use crate::schema::id_of;
    use crate::value::{Limits, Value};

    fn of(byte: u8) -> (String, u64) {
        (format!("{byte:02x}").repeat(32), id_of(&[byte; 32]))
    }

    fn message(schemas: SchemaIds) -> Message {
        let body = codec::encode(&Value::map([("a", 1)]), Encoding::Cbor).unwrap();
        let header = Header { body: body.len() as u64, ..Header::new(Kind::Data, Encoding::Cbor) };
        let incoming =
            Incoming { header, extension: Default::default(), body: bytes::Bytes::from(body).into() };
        Message::new(
            incoming,
            ReceivedFrom { source: &Arc::from("meter-1"), session: 9, schemas },
            Limits::default(),
        )
    }

    #[test]
    fn generated_code_decodes_its_own_schema_and_none_and_what_was_compared() {
        let (own, id) = of(0xa1);
        for schemas in [
            SchemaIds::default(),
            SchemaIds { sender: id, receiver: 0 },
            SchemaIds { sender: id, receiver: 5 },
            SchemaIds { sender: 5, receiver: id },
            SchemaIds { sender: 0, receiver: 5 },
        ] {
            message(schemas).check_fingerprint(&own).unwrap();
        }
    }

    #[test]
    fn message_of_another_schema_names_both_sides() {
        let ((own, _), (_, other)) = (of(0xa1), of(0xb2));
        for receiver in [0, of(0xc3).1] {
            let error = message(SchemaIds { sender: other, receiver }).check_fingerprint(&own).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
            for part in ["meter-1", "b2b2b2b2b2b2b2b2", "a1a1a1a1a1a1a1a1"] {
                assert!(error.text().contains(part), "{error}");
            }
        }
    }

    #[test]
    fn copy_of_a_message_keeps_both_schemas() {
        let schemas = SchemaIds { sender: of(0xb2).1, receiver: 7 };
        let copy = Message::from_bytes(&message(schemas).to_bytes()).unwrap();
        assert_eq!(copy.inner().schemas, schemas);
    }

    #[test]
    fn text_that_is_no_fingerprint_is_malformed() {
        let (own, _) = of(0xa1);
        for wrong in
            ["", "a1", &own[1..], &format!("{own}0"), &own.replace('a', "x"), &own.replace("a1", "é")]
        {
            let error = message(SchemaIds::default()).check_fingerprint(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{wrong}");
        }
    }
}
