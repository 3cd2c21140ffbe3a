//! Requests and their answers: one server for many clients.
//!
//! The client's side is [`Channel::call`](crate::Channel::call); this is the server's. One thread
//! receives requests of all clients in turn; any thread may answer. A client that reads its answers
//! slowly, or never, keeps neither the server nor other clients waiting: its answers are kept for it
//! within a bound, and beyond that it is disconnected.
//!
//! | what | lives in |
//! |---|---|
//! | the public server | `server` |
//! | a connected client | `client` |
//! | all clients, and the order of serving them | `clients` |
//! | a request and its one answer | `answer` |
//! | the sending state of a client, which is that of a channel, and what is counted of it | `client_tx` |
//! | wakes the serving thread only if it is parked | `server_waker` |

mod answer;
mod client;
mod client_tx;
mod clients;
mod server;
mod server_waker;
#[cfg(test)]
mod tests;

pub use answer::Request;
pub use server::{Requests, Server};
