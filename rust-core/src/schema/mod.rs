//! Schemas: the type of the messages at a name, compared when programs connect, before the first
//! message is sent.
//!
//! | what | defined in |
//! |---|---|
//! | the model: [`Schema`], [`Type`], [`Kind`], [`Field`] | `model` |
//! | from the notation, a TOML text, to the model, with line and column in errors | `parse`, `table`, `source`, `text` |
//! | from the model to the notation | `write` |
//! | the canonical form and the [`Fingerprint`] | `canonical` |
//! | whether a reader can read a writer's messages: [`Difference`] | `compatible` |
//! | checking values as they pass: [`Checker`] | `check` |
//! | the packed layout: a record of fixed size as one block of bytes: [`Layout`] | `packed` |
//! | units | `unit` |
//! | the schema that an object is opened with: compared, exchanged, checked against | `prepared` |
//!
//! A schema is resolved when it is parsed: the model is a finite tree without names to look up, so
//! its users need no context and cannot run into a cycle. The fingerprint identifies that tree;
//! texts that only describe are not part of it. The notation is documented in `docs/schema.md`;
//! without the feature `schema` the crate has `absent.rs` in place of this module.

mod canonical;
mod check;
mod compatible;
mod model;
mod packed;
mod parse;
mod prepared;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod unit;
mod write;

pub use canonical::Fingerprint;
pub use check::{Checker, Side};
pub use compatible::Difference;
pub use model::{Field, Kind, Length, Range, Schema, Type, Width};
pub use packed::{Layout, Place};
pub(crate) use prepared::{MAX_CANONICAL, PreparedSchema, Readers};
// For the tools that make schemas of other files.
#[doc(hidden)]
pub use text::{open_file, read_text};
