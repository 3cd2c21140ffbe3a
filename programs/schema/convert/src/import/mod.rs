//! Imports schemas from other notations: `.proto`, ROS `.msg`, JSON Schema and Python classes.
//!
//! | notation | lives in |
//! |---|---|
//! | Protocol Buffers, `.proto` | `proto` |
//! | JSON Schema, a common subset | `json_schema` |
//! | Python dataclasses and TypedDicts | `python` |
//! | ROS 1 and 2, `.msg` | `ros` |
//!
//! An inexpressible part is an error with file, line and column. A [`Remark`] marks each place where the schema
//! accepts more than the file.

mod json_schema;
mod options;
mod proto;
mod python;
mod ros;
mod source;

use std::path::Path;

use linkspan::Result;
use linkspan::schema::Schema;

pub use options::{Options, Remark};

/// The notations that a schema can be imported from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notation {
    /// Protocol Buffers, proto2 and proto3.
    Proto,
    /// Messages of ROS 1 and ROS 2.
    Ros,
    /// JSON Schema.
    JsonSchema,
    /// Python dataclasses and TypedDicts.
    Python,
}

/// An imported schema.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Import {
    /// The schema.
    pub schema: Schema,
    /// Constraints of the file that the schema lacks.
    pub remarks: Vec<Remark>,
}

/// Returns the schema of a message in this file.
///
/// # Errors
/// `Malformed` for a wrong file, `Unsupported` for an inexpressible part, `TooLarge` above the number of types of a
/// schema; each with file, line and column.
pub fn import(notation: Notation, file: &Path, options: &Options) -> Result<Import> {
    let (schema, remarks) = match notation {
        Notation::Proto => proto::read(file, options)?,
        Notation::JsonSchema => json_schema::read(file, options)?,
        Notation::Python => python::read(file, options)?,
        Notation::Ros => ros::read(file, options)?,
    };
    // Parsed again, to report a schema that its notation does not allow as an error instead of printing it.
    let schema = Schema::parse(&schema.to_toml()).map_err(|error| error.on(file.display()))?;
    Ok(Import { schema, remarks })
}
