//! The C interface: an `extern "C"` edge over the crate `linkspan`, without logic of its own.
//!
//! | what | lives in |
//! |---|---|
//! | status codes, version | `status` |
//! | the guard at the edge, the last error | `error` |
//! | arguments and results; structs that begin with their size | `argument`, `place`, `sized` |
//! | messages: life, building, reading, walking | `message`, `tree`, `put`, `read`, `walk` |
//! | structs that are encoded and decoded directly, by a table | `record` |
//! | N-d arrays, and loans of memory for them; arrays into memory of the program | `array`, `loan`, `into` |
//! | encodings by number and name, the codecs alone | `encoding`, `codec` |
//! | options | `options` |
//! | channels, their calls, listeners, servers and their requests | `channel`, `call`, `listener`, `server`, `request` |
//! | publishers, subscribers; queries of a name | `publisher`, `subscriber`, `endpoint` |
//! | handles: their kind and their release; channels at the end of the program | `object`, `life`, `exit` |
//! | sending and receiving that they share | `exchange` |
//! | annotations for ThreadSanitizer | `sanitizer` |
//! | services, their controller, commands and states | `service`, `controller`, `command` |
//! | other programs' shared memory | `region` |
//!
//! The functions are documented for C in `include/linkspan.h`, which is generated from here.
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
