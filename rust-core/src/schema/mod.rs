//! Schemas: what the messages at a name mean, agreed upon before the first one is sent.
//!
//! | what | lives in |
//! |---|---|
//! | the model: [`Schema`], [`Type`], [`Kind`], [`Field`] | `model` |
//! | from the notation, a TOML text, to the model, with line and column in errors | `parse`, `table`, `source` |
//! | from the model to the notation | `write` |
//! | the canonical form and the [`Fingerprint`] | `canonical` |
//! | whether a reader can read what a writer writes: [`Difference`] | `compatible` |
//! | checking values as they pass: [`Checker`] | `check` |
//! | the packed layout: a record of fixed size as one block of bytes: [`Layout`] | `packed` |
//! | units | `unit` |
//! | the schema that an object is opened with: compared, exchanged, checked against | `held` |

mod canonical;
mod check;
mod compatible;
mod held;
mod model;
mod packed;
mod parse;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod unit;
mod write;

pub use canonical::Fingerprint;
pub use check::{Checker, Side};
pub use compatible::Difference;
pub(crate) use held::{Held, LONGEST, Reads};
pub use model::{Field, Kind, Length, Range, Schema, Type, Width};
pub use packed::{Layout, Place};
