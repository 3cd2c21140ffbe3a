//! The C interface: an `extern "C"` edge over the crate `linkspan`.
//!
//! The header's rules, at the top of `include/linkspan.h`, hold for every exported function. cbindgen generates the
//! header. "By contract" in a `SAFETY` comment means the `# Safety` section of the enclosing function.
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
