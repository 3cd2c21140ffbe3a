//! Requests and their answers: one server for many clients.
//!
//! The client's side is [`Channel::call`](crate::Channel::call); this is the server's. One thread
//! receives the requests of all clients in turn; any thread may answer. A client that reads its answers
//! slowly, or not at all, does not delay the server or other clients: its answers are kept up to a limit,
//! and beyond that the client is disconnected.
//!
//! | what | lives in |
//! |---|---|
//! | the public server | `server` |
//! | a connected client | `client` |
//! | all clients, and the order in which they are served | `clients` |
//! | a request and its answer | `answer` |
//! | the sending state and the counters of a client | `client_tx` |
//! | what waits for all clients, bounded | `waiting_answers` |
//! | wakes the serving thread only if it is parked | `server_waker` |

mod answer;
mod client;
mod client_tx;
mod clients;
mod server;
mod server_waker;
#[cfg(test)]
mod tests;
mod waiting_answers;

pub use answer::Request;
pub use server::{Requests, Server};
