//! The events that the connection and other tasks send to the task that discovers bridges.

use std::collections::HashSet;

use super::names::Version;
use crate::engine::Presence;

/// An event for the presence task.
pub enum PresenceEvent {
    /// The client has connected or reconnected to a server.
    Connected,
    /// This client has dropped messages.
    Missed,
    /// The names of a bridge; `None` if it did not answer.
    Names(u64, Option<(Version, HashSet<Presence>)>),
    /// The server reports that no bridge with this number subscribes.
    Absent(u64),
    /// The services of programs that use NATS without Linkspan, all that are there now.
    Services(HashSet<Presence>),
}
