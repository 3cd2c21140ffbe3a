//! Linkspan joins programs in different languages on one machine: channels, requests and replies, publish and subscribe, over
//! shared memory or Unix sockets, with one model of values in JSON, CBOR, BSON and Smile.
//!
//! A program names an endpoint, picks a pattern, and sends values. Nothing has to run beside it, neither side has to start
//! first, and either may end and come back.
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
//! Every call that can wait takes a [`Duration`](std::time::Duration), `None` for ever, or [`Timeout::Default`]. Every error is one of
//! the 27 kinds of [`ErrorKind`], which have the same names and numbers in every language.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "Linkspan runs on Linux (kernel 5.10 or newer) only: its transports use memfd, OFD locks and epoll"
);

mod channel;
pub mod codec;
mod deadline;
pub mod doctor;
#[cfg(test)]
mod documents;
mod error;
pub mod frame;
#[cfg(all(any(test, fuzzing), not(loom)))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod histories;
#[cfg(feature = "tls")]
pub mod keys;
mod message;
mod publish;
mod region;
pub mod registry;
mod request;
pub mod service;
mod sys;
mod transport;
pub mod value;
mod verbs;

pub use channel::{
    Acknowledge, Asked, Channel, Delivery, Event, EventKind, Framing, Listener, Options, Role, StartAt,
};
pub use codec::Encoding;
pub use deadline::{Deadline, OnWait, Tick, Timeout, Wait};
pub use error::{Error, ErrorKind, Quoted, RemoteFailure, Result, quoted};
pub use message::{Message, Payload};
pub use publish::{Publisher, Subscriber, latest, latest_persistent};
pub use region::{Layout, Region};
pub use request::{Request, Server};
pub use service::{
    Answer, Command, Controller, LogLevel, Outcome, Service, ServiceLoop, ServiceOptions, State, Task, View,
    WatchOptions, run,
};
pub use value::{BigInt, DType, Decimal, Limits, Map, NdArray, Order, Timestamp, Value};
pub use verbs::{connect, listen, open, publisher, serve, subscribe};

/// The README's first program in Rust is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
