//! The schemas that the two sides of a message gave.

use std::sync::Arc;

use crate::schema::{PreparedSchema, id_of};

/// The beginnings of the fingerprints of both sides, 0 for a side without a schema. Where neither is 0, the two were
/// compared and fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemaIds {
    pub sender: u64,
    pub receiver: u64,
}

impl SchemaIds {
    /// Returns those of two sides that have compared them: the fingerprint that the sender gave, and the schema of this
    /// side.
    pub fn agreed(sender: Option<&[u8; 32]>, receiver: Option<&Arc<PreparedSchema>>) -> SchemaIds {
        let id = |schema: &Arc<PreparedSchema>| schema.id();
        SchemaIds { sender: sender.map_or(0, id_of), receiver: receiver.map_or(0, id) }
    }
}
