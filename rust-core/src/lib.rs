//! Linkspan joins programs in different languages on one machine.

#[cfg(not(target_os = "linux"))]
compile_error!("Linkspan runs on Linux (kernel 5.10 or newer) only: its transports use memfd, OFD locks and epoll");

mod channel;
pub mod codec;
mod deadline;
pub mod doctor;
mod error;
pub mod frame;
mod message;
mod publish;
pub mod registry;
mod request;
mod sys;
mod transport;
pub mod value;

pub use channel::{Asked, Channel, Delivery, Event, EventKind, Listener, Options, Role};
pub use codec::Encoding;
pub use deadline::{Deadline, OnWait, Tick, Timeout, Wait};
pub use error::{Error, ErrorKind, RemoteFailure, Result};
pub use message::{Message, Payload};
pub use publish::{Publisher, Subscriber, latest, latest_persistent};
pub use request::{Request, Server};
pub use value::{BigInt, DType, Decimal, Limits, Map, NdArray, Order, Timestamp, Value};
