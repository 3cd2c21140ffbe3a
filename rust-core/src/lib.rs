//! Linkspan joins programs of different languages: channels, requests and replies, publish, subscribe.
//!
//! Programs on one machine use shared memory or Unix sockets. All languages share one model of values, in JSON, CBOR,
//! BSON and Smile. A program names an endpoint, picks a pattern, and sends values. No other program has to run, either
//! side may start first, and each may end and restart.
//!
//! ```
//! use std::time::Duration;
//! use linkspan::Value;
//!
//! # fn main() -> linkspan::Result<()> {
//! # let directory = std::env::temp_dir().join(format!("linkspan-doc-{}", std::process::id()));
//! # unsafe { std::env::set_var("LINKSPAN_DIR", &directory) };
//! let out = linkspan::publisher("lab/temperature")?;
//! out.send(&Value::map([("celsius", 21.4)]))?;
//!
//! // In another program, before or after, in any of six languages:
//! let readings = linkspan::subscribe("lab/temperature")?;
//! let reading = readings.recv(Duration::from_secs(5))?;
//! assert_eq!(reading.get("celsius")?.as_f64()?, 21.4);
//! # drop((out, readings));
//! # std::fs::remove_dir_all(&directory).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! A server answers many clients:
//!
//! ```no_run
//! # use linkspan::{Timeout, Value};
//! # fn main() -> linkspan::Result<()> {
//! let server = linkspan::serve("lab/sum")?;
//! while let Some(request) = server.next(Timeout::Default)? {      // for ever, until a signal asks to stop
//!     let numbers = request.get("numbers")?.as_ndarray()?;
//!     let sum: f64 = numbers.elements::<f64>()?.iter().sum();
//!     request.reply(&Value::map([("sum", sum)]))?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! serde converts the program's own types: [`Serde`] sends one, [`Message::to`] returns one. Builder methods set
//! options, and subscribers and servers are iterators:
//!
//! ```no_run
//! use linkspan::{Options, Publisher, Serde, Subscriber};
//! # use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Reading {
//!     celsius: f64,
//! }
//!
//! # fn main() -> linkspan::Result<()> {
//! let out = Publisher::new("lab/temperature", &Options::default().with_max_message_size(1 << 16))?;
//! out.send(&Serde(Reading { celsius: 21.4 }))?;
//!
//! for message in &Subscriber::new("lab/temperature", &Options::default().with_client_id("plot"))? {
//!     println!("{}", message?.to::<Reading>()?.celsius);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Channels, listeners, servers and subscribers are descriptors for event loops ([`AsFd`](std::os::fd::AsFd)): when one
//! is readable, its `try_…` call, which does not wait, has something to do. Each waiting call also has a future. The
//! program turns its [`Reactor`], in a thread or in a task of tokio (`linkspan-tokio`).
//!
//! | feature | what it adds |
//! |---|---|
//! | `page`, by default | the rules of the controller's page, for a web server that serves it: [`page`] |
//! | `schema`, by default | types of messages, checked when two programs connect: [`schema`] |
//! | `tls`, by default | TCP beyond this machine |
//! | `serde_json`, `ciborium`, `bson`, `ndarray` | conversions (`TryFrom`, `From`) to and from those crates' own values |
//! | `log` | events, such as those of [`Channel::events`], also go to the crate `log`, target `linkspan`, at once |
//!
//! Every call that can wait accepts a [`Duration`](std::time::Duration), `None` for no limit, or [`Timeout::Default`]:
//! the option `timeout`, or 30 s. Loops (`next`, iteration, `run`) continue without limit by default, until `close` or
//! a stop signal.
//!
//! From the first `next` without a deadline until the object is closed or dropped, the first SIGINT or SIGTERM ends the
//! loop, and the second ends the program. A loop that begins after the first signal waits again. The last such object
//! restores the earlier actions of the signals. To opt out, a program ignores a signal or has its own handler for it.
//!
//! | object | threads |
//! |---|---|
//! | [`Channel`] | any number send, in turn, and call; one receives, and another one meanwhile gets `InvalidState` |
//! | [`Publisher`] | any number send, in turn |
//! | [`Subscriber`], [`Server`] | one receives, a second gets `InvalidState`; any thread answers a [`Request`] |
//! | [`Listener`] | any number accept |
//! | [`Controller`] | any number send requests, in turn; one waits in `next` |
//! | [`ServiceLoop`] | one takes tasks; any thread logs and shuts down |
//! | [`Message`], [`Payload`], [`Region`] | any number read |
//!
//! Any thread may `close` an object; this ends the calls of other threads that wait in it.
//!
//! Every error is one of the 27 kinds of [`ErrorKind`], with equal names and numbers in every language.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![deny(missing_debug_implementations)]
#![forbid(unsafe_code)]

#[cfg(all(test, debug_assertions))]
mod ninth;
mod verbs;

// The lower crates: services and listings, the engine, transports, the operating system, values. Users find their names
// here.
#[doc(no_inline)]
pub use codec::Encoding;
#[doc(inline)]
pub use linkspan_engine::{
    Acknowledge, BytesLoan, Channel, Delivery, Event, EventKind, Framing, Gap, History, Listener, Loan,
    LoanMemory, Message, Messages, OnUnconsumed, Options, Payload, PendingReply, Publisher, Reactor,
    ReceivedBytes, Request, Requests, Role, Server, StartAt, Subscriber, TryMessages, Turner, Validate,
    latest, latest_persistent, latest_until,
};
#[doc(hidden)]
pub use linkspan_engine::{End, RecordedOrigin, Uncopied, UncopiedBytes};
#[doc(inline)]
pub use linkspan_os::deadline::{Deadline, OnWait, Tick, Timeout, Wait};
#[doc(hidden)]
pub use linkspan_os::{environment, fork, programs};
#[doc(inline)]
pub use linkspan_region::{Layout, Region};
#[cfg(feature = "page")]
#[doc(inline)]
pub use linkspan_service::page;
#[doc(inline)]
pub use linkspan_service::{doctor, registry, service};
#[doc(inline)]
pub use linkspan_transport::frame;
#[cfg(feature = "tls")]
#[doc(inline)]
pub use linkspan_transport::keys;
#[doc(hidden)]
pub use linkspan_value::error::memory::{copy_bytes, copy_text};
#[cfg(feature = "schema")]
#[doc(inline)]
pub use linkspan_value::schema;
pub use linkspan_value::{
    Body, Error, ErrorKind, OneLine, Quoted, RemoteFailure, Result, codec, in_seconds, one_line, quoted,
    several_lines, value,
};
#[doc(inline)]
#[doc(hidden)]
pub use linkspan_value::{files, is_unseen};
#[doc(no_inline)]
pub use service::{
    Answer, Command, Controller, LogLevel, Outcome, Service, ServiceLoop, ServiceOptions, State, Task, Tasks,
    View, WatchOptions, run,
};
#[doc(no_inline)]
pub use value::{BigInt, DType, Decimal, Limits, Map, NdArray, Order, Serde, Timestamp, Value};
pub use verbs::{connect, listen, open, publisher, serve, subscribe, wait_any};

/// The README's first program in Rust is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
