//! Converts messages for viewers (Lichtblick, Foxglove, PlotJuggler, Rerun).
//!
//! Messages become CDR with a type in `ros2msg`. Values without a form in CDR become plain JSON with JSON Schema;
//! docs/recording-format.md lists both. Only tools for recordings and viewers depend on this crate.
//!
//! | task | module |
//! |---|---|
//! | a type in `ros2msg` from a schema | `definition` |
//! | names that ROS 2 permits | `words` |
//! | messages in CDR | `cdr` |
//! | messages in JSON, and their JSON Schema | `json` |
//! | packed records as maps | `packed` |
//! | keys that a schema cannot have | `keys` |
//! | the limit of an encoded message | `length` |
//! | the declared or inferred type of a name's messages | `messages` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

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

pub use messages::Messages;
pub use packed::uuid;

/// The encoding of messages of one type, and its description for viewers.
#[derive(Debug)]
pub struct Encoder {
    /// The encoding: `cdr` or `json`.
    pub encoding: &'static str,
    /// The notation of the type: `ros2msg` or `jsonschema`.
    pub notation: &'static str,
    /// The name of the type, such as `sensor_msgs/msg/Image`.
    pub name: String,
    /// The text of the type.
    pub text: String,
    /// The units of its fields in UCUM, by path with dots between names. The message itself has an empty path.
    pub units: BTreeMap<String, String>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Cdr(definition::Shape),
    Json,
}

impl Encoder {
    /// Returns the encoder for a schema: CDR if possible, otherwise JSON.
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

    /// Returns an encoder of any value to JSON. A schema is used for the type.
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

    /// Encodes a message. `sent` is the time of sending in nanoseconds since 1970, for the header of an image.
    ///
    /// # Errors
    /// `Unsupported` for a value that does not fit the type, only in CDR; `TooLarge` beyond `most` bytes.
    pub fn encode(&self, value: &Value, sent: i64, most: u64) -> Result<Vec<u8>> {
        match &self.form {
            Form::Cdr(shape) => cdr::encode(shape, value, sent, most),
            Form::Json => json::encode(value, most),
        }
    }
}
