//! The engine NATS: everything that this program uses of NATS is here.
//!
//! Everything goes through a NATS server. The loop only queues operations; one task (`sender`) carries them
//! out in order. NATS has no presence, so bridges publish heartbeats, and request the names of another bridge
//! when its heartbeat announces a change. The tasks run on threads of their own and put what arrives into the
//! inbox.
//!
//! | what | lives in |
//! |---|---|
//! | the connection and its tasks; what they share | `client`, `shared` |
//! | the engine's operations | `carry` |
//! | subjects; headers | `subjects`, `headers` |
//! | connecting to a server | `connection` |
//! | the queue of operations; the task that carries them out | `outgoing`, `sender` |
//! | names that other bridges see, exported publishers | `announced`, `exported` |
//! | other bridges and their names | `presence`, `presence_event`, `names` |
//! | pending requests | `requests` |
//! | services of programs that use NATS without Linkspan | `services` |
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
