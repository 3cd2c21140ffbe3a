//! Messages as the viewers of laboratories read them (Lichtblick, Foxglove, PlotJuggler, Rerun): in CDR, with types in
//! `ros2msg`; and in plain JSON, with JSON Schema, where a value has no form in CDR.
//!
//! | what | lives in |
//! |---|---|
//! | a type in `ros2msg`, from a schema | `definition` |
//! | the names that ROS 2 allows | `words` |
//! | messages in CDR | `cdr` |
//! | messages in JSON, and what JSON Schema says of them | `json` |
//! | packed records as maps | `packed` |
//! | keys that no field can have | `keys` |
//! | how long a written message may be | `length` |
//! | which type the messages of a name have, declared or inferred | `messages` |
//!
//! docs/recording-format.md says what becomes of each value. A crate above the core: no program that exchanges messages
//! carries it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![forbid(unsafe_code)]

mod cdr;
mod definition;
mod json;
mod keys;
mod length;
mod messages;
mod packed;
mod words;

use std::collections::BTreeMap;

use linkspan::schema::Schema;
use linkspan::{Result, Value};

pub use length::most;
pub use messages::Messages;
pub use packed::uuid;

/// How the messages of one type are written, and what a viewer has to know of it.
#[derive(Debug)]
pub struct Encoder {
    /// The encoding of the messages: `cdr` or `json`.
    pub encoding: &'static str,
    /// The notation of the type: `ros2msg` or `jsonschema`.
    pub notation: &'static str,
    /// The name of the type, such as `sensor_msgs/msg/Image`.
    pub name: String,
    /// The type.
    pub text: String,
    /// The units of its fields, in UCUM, each by the names that lead to the field, with dots between them; that of the
    /// message itself by no name.
    pub units: BTreeMap<String, String>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Cdr(definition::Shape),
    Json,
}

impl Encoder {
    /// Returns how messages of this schema are written: in CDR where it has a form there, else in JSON.
    pub fn new(schema: &Schema) -> Encoder {
        let Some(defined) = definition::define(schema) else {
            return Encoder::json(Some(schema), &schema.name);
        };
        Encoder {
            encoding: "cdr",
            notation: "ros2msg",
            name: defined.name,
            text: defined.text,
            units: definition::units(&schema.root),
            form: Form::Cdr(defined.shape),
        }
    }

    /// Returns how any value is written in JSON. What is known of it goes into the type.
    pub fn json(schema: Option<&Schema>, name: &str) -> Encoder {
        Encoder {
            encoding: "json",
            notation: "jsonschema",
            name: words::type_name(name),
            text: json::schema(schema.map(|schema| &schema.root)),
            units: schema.map(|schema| definition::units(&schema.root)).unwrap_or_default(),
            form: Form::Json,
        }
    }

    /// Returns whether messages are in CDR.
    pub fn is_cdr(&self) -> bool {
        matches!(self.form, Form::Cdr(_))
    }

    /// Writes a message. `sent` is when it was sent, in nanoseconds since 1970, which an image has in its header.
    ///
    /// # Errors
    /// `Unsupported` for a value that has no form in the type; every value has one in JSON. `TooLarge` for more than
    /// `most` bytes.
    pub fn encode(&self, value: &Value, sent: i64, most: u64) -> Result<Vec<u8>> {
        match &self.form {
            Form::Cdr(shape) => cdr::encode(shape, value, sent, most),
            Form::Json => json::encode(value, most),
        }
    }
}
