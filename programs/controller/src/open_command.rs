//! A command without a final answer, and the clients that wait for it.

use std::sync::Arc;
use std::time::Duration;

use crate::schedule::Name;
use linkspan::service::server_side::RequestInfo;
use linkspan::{Command, State, Value};

/// Identifies a command by its service and its id.
pub type Key = (Name, Arc<str>);

/// A command without a final answer.
#[derive(Debug)]
pub struct OpenCommand {
    pub command: Command,
    pub arguments: Value,
    /// Its deadline, since the start of the server.
    pub deadline: Duration,
    /// The epoch of the incarnation that the client requires; `None` matches any.
    pub pinned: Option<u64>,
    /// The epoch of the last incarnation that received it.
    pub sent_to: Option<u64>,
    /// The state of the service at the acceptance.
    pub accepted: Option<State>,
    pub waiting: Vec<WaitingClient>,
    /// Whether the controller sends it to sample data for watchers.
    pub is_own: bool,
    pub bytes: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct WaitingClient {
    pub to: RequestInfo,
    /// Whether the client waits only until the command is accepted.
    pub until_accepted: bool,
}
