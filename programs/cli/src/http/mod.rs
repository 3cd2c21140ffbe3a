//! The controller's page over HTTP: another client of the controller, which admits only its owner.
//!
//! | task | module |
//! |---|---|
//! | the address, the thread that listens | `server` |
//! | the bounds of connections | `connections` |
//! | a connection whose client does not read ends | `stream` |
//! | access: Host, Origin, token; the headers of every response | `guard` |
//! | the token, and the file with the address for its owner | `token` |
//! | routes, and their need of a token | `routes` |
//! | requests and responses | `api` |
//! | metrics, for Prometheus | `metrics` |
//! | the rights of a token | `rights` |
//! | errors as problem details (RFC 9457) | `problem` |
//! | the page's files | `assets` |
//! | connections to the controller | `pool` |
//! | events, read once for all pages; as server-sent events | `feed`, `events` |

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

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
