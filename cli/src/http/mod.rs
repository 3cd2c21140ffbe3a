//! The controller's page over HTTP: one more client of the controller, which lets in its owner alone.
//!
//! | what | lives in |
//! |---|---|
//! | the address, the thread that listens | `server` |
//! | how many connections there may be, and which end first | `connections` |
//! | a connection whose client does not read ends | `stream` |
//! | access: Host, Origin, token; the headers of every response | `guard` |
//! | the token, and the file that its owner finds the address in | `token` |
//! | routes, and which of them need no token | `routes` |
//! | requests and responses | `api` |
//! | what is measured, for Prometheus | `metrics` |
//! | what a token allows | `rights` |
//! | errors as problem details (RFC 9457) | `problem` |
//! | the page's files | `assets` |
//! | connections to the controller | `pool` |
//! | what happens, once for all who look; as server-sent events | `feed`, `events` |

mod api;
mod assets;
mod connections;
mod events;
mod feed;
mod guard;
mod metrics;
mod pool;
mod problem;
mod rights;
mod routes;
mod server;
mod stream;
mod token;

pub use server::{Running, Settings, start};
pub use token::address;
