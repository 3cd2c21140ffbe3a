//! The controller's server for services and their clients: [`ControllerServer`]. The program `linkspan controller` runs
//! it.
//!
//! One thread accepts peers, reads the messages of services, and answers clients. No peer can block it. Services and
//! clients use only the crate `linkspan`: [`linkspan::Service`], [`linkspan::ServiceLoop`] and
//! [`linkspan::Controller`].
//!
//! ```no_run
//! use linkspan_controller::{ControllerServer, ControllerServerOptions};
//!
//! # fn main() -> linkspan::Result<()> {
//! // At the default endpoints of services and clients, until SIGINT, SIGTERM, or `stopper().stop()`.
//! let mut server = ControllerServer::listen(&[], &ControllerServerOptions::default())?;
//! server.run(None)
//! # }
//! ```
//!
//! | what | lives in |
//! |---|---|
//! | the event loop over all peers; the public [`ControllerServer`] | `event_loop` |
//! | the options for listening | `options` |
//! | one peer and its queue of outgoing messages; replies for clients whose links broke | `peer`, `disconnected` |
//! | the state of the server, which uses neither clock nor socket | `state` |
//! | commands without a final answer, the final answers that are kept, and how commands are handled | `open_command`, `archive`, `commands` |
//! | the record of one service | `registry` |
//! | watchers, and the sampling of data for them | `watchers` |
//! | the requests of clients: decoding, answers | `client_protocol`, `requests` |
//! | timers | `schedule` |
//! | logs of limited length; limits and token buckets | `event_log`, `rate_limit` |
//! | resource usage of this process; the owner of a port | `usage`, `ports` |

#![deny(missing_debug_implementations)]
// Numbers of peers are added without overflow.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![forbid(unsafe_code)]

mod archive;
mod client_protocol;
mod commands;
mod disconnected;
#[cfg(test)]
mod documented;
#[cfg(test)]
#[path = "../../../rust-core/engine/src/documents.rs"]
#[allow(dead_code, reason = "the core checks most blocks of the documents")]
mod documents;
mod event_log;
mod event_loop;
#[cfg(test)]
#[path = "../../../rust-core/engine/src/histories.rs"]
#[allow(dead_code, reason = "each crate uses a part of it")]
mod histories;
mod open_command;
mod options;
mod peer;
mod ports;
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
mod usage;
#[cfg(test)]
mod violations;
mod watchers;

pub use event_loop::ControllerServer;
pub use options::{ControllerServerOptions, StopHandle};
