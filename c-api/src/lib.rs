//! The C interface: an `extern "C"` edge over the crate `linkspan`.
//!
//! | content | modules |
//! |---|---|
//! | status codes, version | `status` |
//! | the guard around calls, the last error | `error` |
//! | arguments and results; structs that begin with their size | `argument`, `place`, `sized` |
//! | messages: life, building, reading, walking | `message`, `tree`, `put`, `read`, `walk` |
//! | structs encoded and decoded directly, by a table | `record` |
//! | N-d arrays, loans of memory, arrays into memory of the program | `array`, `loan`, `into` |
//! | encodings by number and name, the codecs | `encoding`, `codec` |
//! | options | `options` |
//! | channels, calls, listeners, servers and requests | `channel`, `call`, `listener`, `server`, `request` |
//! | publishers, subscribers, queries of a name | `publisher`, `subscriber`, `endpoint` |
//! | handles, their kind and release; open channels at exit | `object`, `life`, `exit` |
//! | shared sending and receiving | `exchange` |
//! | annotations for ThreadSanitizer | `sanitizer` |
//! | services, their controller, commands and states | `service`, `controller`, `command` |
//! | shared memory of other programs | `region` |
//!
//! cbindgen generates `include/linkspan.h` from these modules.
#![allow(non_camel_case_types)] // the names are C's

mod any_text;
pub mod argument;
pub mod array;
pub mod call;
pub mod channel;
pub mod codec;
pub mod command;
pub mod controller;
pub mod encoding;
pub mod endpoint;
pub mod error;
mod exchange;
mod exit;
pub mod into;
mod life;
pub mod listener;
pub mod loan;
pub mod message;
mod null;
mod object;
pub mod options;
mod place;
pub mod publisher;
pub mod put;
pub mod read;
pub mod record;
pub mod region;
pub mod request;
mod sanitizer;
pub mod server;
pub mod service;
mod sized;
pub mod status;
pub mod subscriber;
mod tree;
pub mod walk;
