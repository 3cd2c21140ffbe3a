//! The C interface: an `extern "C"` edge over the crate `linkspan`, and nothing of its own.
//!
//! | what | lives in |
//! |---|---|
//! | status codes, version | `status` |
//! | the guard at the edge, the last error | `error` |
//! | what callers hand in and get back | `argument` |
//! | messages: life, building, reading, walking | `message`, `put`, `read`, `walk` |
//! | values event by event, without a tree: what generated code calls | `writer`, `reader`, `tape` |
//! | structs that go straight to an encoding and back, as a table says | `record` |
//! | N-d arrays | `array` |
//! | the codecs alone | `codec` |
//! | options | `options` |
//! | channels, servers, publishers, subscribers | `channel`, `server`, `publish` |
//! | what any of them is: asked, closed, released; what is left then | `object`, `life` |
//! | what goes through any of them | `exchange` |
//! | services, their controller, and their words | `service`, `controller`, `verb` |
//! | other programs' shared memory | `region` |
//!
//! The functions are documented for C in `include/linkspan.h`, which is generated from here.
#![allow(non_camel_case_types)] // the names are C's

pub mod argument;
pub mod array;
pub mod channel;
pub mod codec;
pub mod controller;
pub mod error;
pub mod exchange;
mod life;
pub mod message;
pub mod object;
pub mod options;
pub mod publish;
pub mod put;
pub mod read;
pub mod reader;
pub mod record;
pub mod region;
pub mod server;
pub mod service;
pub mod status;
mod tape;
pub mod verb;
pub mod walk;
pub mod writer;
