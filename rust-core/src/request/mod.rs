//! Requests and their answers: one server for many clients.
//!
//! | what | lives in |
//! |---|---|
//! | the public server | `server` |
//! | its clients, and whose turn it is | `clients` |
//! | a request and its one answer | `answer` |

mod answer;
mod clients;
mod server;

pub use answer::Request;
pub use server::{Requests, Server};
