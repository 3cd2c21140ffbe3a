//! Requests and their answers: one server for many clients.
//!
//! [`Channel::call`](crate::Channel::call) is the client's side. One thread receives the requests of all clients in
//! turn; any thread may answer. A client that is slow to read its answers does not delay the server or other clients:
//! the server keeps answers up to a limit and then disconnects the client.
//!
//! | subject | module |
//! |---|---|
//! | the public server | `server` |
//! | a connected client | `client` |
//! | all clients, and the order in which they are served | `clients` |
//! | a request and its answer | `answer` |
//! | the sending state and the counters of a client | `client_tx` |
//! | answers that wait for all clients, bounded | `waiting_answers` |
//! | wake-ups of the serving thread, only if it is parked | `server_waker` |

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
