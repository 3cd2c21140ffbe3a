//! Messages, channels, requests and publishing: the engine of the crate `linkspan`.
//!
//! Only `linkspan`, `linkspan-service` and `linkspan-relay` use this crate, and it changes without notice. Programs use
//! `linkspan`, which re-exports the items at the root.
//!
//! The engine delivers each message at most once and in order. It delivers or counts every message that a promise of
//! delivery covers, and each request gets an answer or an error. It knows nothing of services, controllers, listings,
//! pages and languages.
//!
//! | subject | module |
//! |---|---|
//! | a received message, a payload to be sent | `message` |
//! | connecting, accepting, the hello, reconnecting; sessions: numbers, acknowledgement, replay | `channel` |
//! | requests and their answers | `request` |
//! | publishing, subscribing, the newest value | `publish` |
//! | items for services and relays outside the public interface | `service_side`, `relay_side` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test may sleep"))]
#![deny(missing_debug_implementations)]
#![forbid(unsafe_code)]

mod channel;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod documents;
mod drive;
mod futures;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
#[allow(dead_code, reason = "a part of it is used")]
mod histories;
mod message;
mod planted;
#[cfg(test)]
mod planted_rule;
#[cfg(test)]
mod planted_sleep;
mod publish;
mod reactor;
pub mod relay_side;
mod request;
pub mod service_side;

use linkspan_os as sys;
use linkspan_os::deadline;
use linkspan_session as session;
use linkspan_transport as transport;
use linkspan_transport::frame;
use linkspan_value::{body, buffers, codec, error, schema, value};

#[doc(hidden)]
pub use channel::End;
pub use channel::{
    Acknowledge, BytesLoan, Channel, Delivery, Event, EventKind, Framing, Listener, Loan, LoanMemory,
    OnUnconsumed, Options, PendingReply, Role, StartAt, Validate,
};
pub use message::{Message, Payload, ReceivedBytes};
#[doc(hidden)]
pub use message::{RecordedOrigin, Uncopied, UncopiedBytes};
pub use publish::{
    Gap, History, Messages, Publisher, Subscriber, TryMessages, latest, latest_persistent, latest_until,
};
pub use reactor::{Reactor, Turner};
pub use request::{Request, Requests, Server};
