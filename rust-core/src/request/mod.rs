//! Requests and their answers: one server for many clients.
//!
//! | what | lives in |
//! |---|---|
//! | the public server | `server` |
//! | its clients, and whose turn it is | `clients` |
//! | what was read of a client before its turn | `ahead` |
//! | a request and its one answer | `answer` |
//! | whether the thread that serves has to be woken | `sleeper` |

mod ahead;
mod answer;
mod clients;
mod server;
mod sleeper;

pub use answer::Request;
pub use server::{Requests, Server};
