//! The controller's server: one thread that accepts peers, reads services, answers clients, and blocks on none of them.
//!
//! | what | lives in |
//! |---|---|
//! | the event loop over all peers; the public [`ControllerServer`] | `event_loop` |
//! | the options for listening | `options` |
//! | one peer and its queue of outgoing messages; answers for clients whose links were cut | `peer`, `disconnected` |
//! | the state of the server, without clock and socket | `state` |
//! | commands without a final answer, and the final answers that are kept | `commands` |
//! | the record of one service | `registry` |
//! | watchers, and the sampling of data for them | `watchers` |
//! | the requests of clients: as messages, and how they are answered | `client_protocol`, `requests` |
//! | timers | `schedule` |
//! | logs of bounded length; limits and token buckets | `event_log`, `rate_limit` |

mod client_protocol;
mod commands;
mod disconnected;
#[cfg(test)]
mod documented;
mod event_log;
mod event_loop;
mod options;
mod peer;
#[cfg(test)]
mod problems;
mod rate_limit;
mod registry;
mod requests;
mod schedule;
#[cfg(test)]
mod simulation;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod violations;
mod watchers;

pub use event_loop::ControllerServer;
pub use options::{ControllerServerOptions, StopHandle};
