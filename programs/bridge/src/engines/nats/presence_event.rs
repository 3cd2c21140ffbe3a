//! Events for the task that discovers bridges, from the connection and other tasks.

use std::collections::HashSet;

use super::names::Version;
use crate::engine::Presence;

pub enum PresenceEvent {
    Connected,
    /// This client has dropped messages.
    Missed,
    /// A bridge's names; `None` if it did not answer.
    Names(u64, Option<(Version, HashSet<Presence>)>),
    /// The server reports that no bridge with this number subscribes.
    Absent(u64),
    /// All current services of programs without Linkspan.
    Services(HashSet<Presence>),
}
