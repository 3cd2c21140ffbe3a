//! The engine NATS: all that this program uses of it is here.
//!
//! | what | lives in |
//! |---|---|
//! | the connection and its tasks; what they share | `client`, `shared` |
//! | the engine's operations | `carry` |
//! | the names of subjects; what stands in headers | `subjects`, `headers` |
//! | how a server is connected to | `connection` |
//! | the queue of what is sent; the task that empties it | `outgoing`, `sender` |
//! | names that other bridges see, exported publishers | `announced`, `exported` |
//! | other bridges and their names | `presence`, `presence_event`, `names` |
//! | requests under way | `requests` |
//! | services of programs that know NATS alone | `services` |
//! | newest messages in a key-value bucket | `bucket`, `bucket_writer` |

mod announced;
mod bucket;
mod bucket_writer;
mod carry;
mod client;
mod connection;
mod exported;
mod headers;
mod names;
mod outgoing;
mod presence;
mod presence_event;
mod requests;
mod sender;
mod services;
mod shared;
mod subjects;

pub use client::Nats;
