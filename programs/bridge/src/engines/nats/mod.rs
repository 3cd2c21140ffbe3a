//! The engine NATS, with all uses of NATS in this program.
//!
//! All traffic goes through a NATS server. The loop only queues operations; the task `sender` executes them in order.
//! NATS has no presence: bridges publish heartbeats, and request another bridge's names when its heartbeat announces
//! a change. The tasks run on their own threads and put arrivals into the inbox.
//!
//! | part | lives in |
//! |---|---|
//! | the connection and its tasks; shared state | `client`, `shared` |
//! | the engine's operations | `carry` |
//! | subjects; headers | `subjects`, `headers` |
//! | connecting to a server | `connection` |
//! | the queue of operations; its task | `outgoing`, `sender` |
//! | announced names, exported publishers | `announced`, `exported` |
//! | other bridges and their names | `presence`, `presence_event`, `names` |
//! | pending requests | `requests` |
//! | services of programs without Linkspan | `services` |
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
