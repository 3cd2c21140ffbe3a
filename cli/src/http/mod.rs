//! The controller's page over HTTP: one more client of the controller, which lets in its owner alone.
//!
//! | what | lives in |
//! |---|---|
//! | the address, the thread that listens | `server` |
//! | how many connections there may be, and which end first | `connections` |
//! | a connection that nobody reads from ends | `stream` |
//! | who is let in: Host, Origin, token; what every answer says of itself | `guard` |
//! | the token, and the file that its owner finds the address in | `token` |
//! | what may be asked for, and what of it without the token | `routes` |
//! | what is asked for and answered | `api` |
//! | what is measured, for Prometheus | `metrics` |
//! | what a token allows | `rights` |
//! | errors as RFC 9457 tells them | `problem` |
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
