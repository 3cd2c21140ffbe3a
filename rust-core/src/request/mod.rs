//! Requests and their answers: one server for many clients.
//!
//! | what | lives in |
//! |---|---|
//! | the public server | `server` |
//! | its clients, and whose turn it is | `clients` |
//! | what was read of a client before its turn | `ahead` |
//! | a request and its one answer | `answer` |

mod ahead;
mod answer;
mod clients;
mod server;

pub use answer::Request;
pub use server::{Requests, Server};
