//! Schemas in other notations: CDDL, JSON Schema, Protocol Buffers and Apache Arrow.
//!
//! | notation | describes | lives in |
//! |---|---|---|
//! | CDDL, RFC 8610 | messages in CBOR; the normative one, because it contains every tag | `cddl` |
//! | JSON Schema 2020-12 | messages in JSON with escapes; or the part that viewers plot | `json_schema` |
//! | Protocol Buffers, `.proto` | the fields for programs that use protobuf | `proto` |
//! | Apache Arrow, an IPC schema message | columns of a table with one row per message | `arrow` |
//!
//! A [`Note`] marks each difference between a notation and the schema.

mod arrow;
mod cddl;
mod json_schema;
mod notes;
mod proto;

use linkspan::schema::Schema;
use linkspan::{Error, ErrorKind, Result};

use json_schema::Readers;
use notes::Notes;
pub use notes::{Change, Note};

/// The notations that a schema can be exported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notation {
    /// CDDL, the Concise Data Definition Language of RFC 8610.
    Cddl,
    /// JSON Schema, draft 2020-12, of all messages.
    JsonSchema,
    /// JSON Schema for viewers such as Foxglove: one type per property, without null, NaN and infinities.
    ViewerSchema,
    /// Protocol Buffers, proto3.
    Proto,
    /// Apache Arrow, a schema message of its IPC format, which is binary.
    Arrow,
}

/// A schema in another notation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Export {
    /// The file.
    pub bytes: Vec<u8>,
    /// The differences between the notation and the schema.
    pub notes: Vec<Note>,
}

/// Returns the schema in this notation.
///
/// # Errors
/// `Unsupported`, with the path of the field, if the notation cannot express a type.
pub fn export(schema: &Schema, notation: Notation) -> Result<Export> {
    if schema.packed {
        let text = format!(
            "{}: a packed record cannot be exported: its messages are bytes, and `linkspan schema show` prints the place of each field",
            schema.name
        );
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let mut notes = Notes::default();
    let bytes = match notation {
        Notation::Cddl => cddl::write(schema, &mut notes)?.into_bytes(),
        Notation::Proto => proto::write(schema, &mut notes)?.into_bytes(),
        Notation::Arrow => arrow::write(schema, &mut notes)?,
        Notation::JsonSchema => json_schema::write(schema, Readers::Validators, &mut notes)?.into_bytes(),
        Notation::ViewerSchema => json_schema::write(schema, Readers::Viewers, &mut notes)?.into_bytes(),
    };
    Ok(Export { bytes, notes: notes.found })
}
