//! The schemas of the two sides of a message.

use std::sync::Arc;

use crate::schema::{PreparedSchema, id_of};

/// The beginnings of both fingerprints, 0 for a side without a schema. If neither is 0, the two were compared and fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemaIds {
    pub sender: u64,
    pub receiver: u64,
}

impl SchemaIds {
    pub fn agreed(sender: Option<&[u8; 32]>, receiver: Option<&Arc<PreparedSchema>>) -> SchemaIds {
        let id = |schema: &Arc<PreparedSchema>| schema.id();
        SchemaIds { sender: sender.map_or(0, id_of), receiver: receiver.map_or(0, id) }
    }
}
