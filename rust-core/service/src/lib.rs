//! Services and their controllers, listings of what is open, the doctor, and the rules of the controller's page, as the
//! crate `linkspan` has them.
//!
//! This crate is for `linkspan` alone and changes without notice: programs use `linkspan`, under the same names.
//!
//! It promises that a service carries out each command that it accepts at most once and answers it once, in time; that
//! a listing and the doctor change nothing but what they are told to repair. It knows nothing of languages, of the
//! state of a controller, and of the page itself.
//!
//! | what | lives in |
//! |---|---|
//! | services, and the clients of a controller | `service` |
//! | what is open on this machine | `registry` |
//! | why two programs cannot connect | `doctor` |
//! | the rules of the controller's page, for the web servers that serve it | `page` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![deny(missing_debug_implementations)]
#![forbid(unsafe_code)]

pub mod doctor;
#[cfg(test)]
#[path = "../../engine/src/documents.rs"]
#[allow(dead_code, reason = "most blocks of the documents are those of `linkspan-engine`")]
mod documents;
#[cfg(test)]
#[path = "../../engine/src/histories.rs"]
mod histories;
#[cfg(feature = "page")]
pub mod page;
pub mod registry;
pub mod service;

use linkspan_engine as engine;
use linkspan_os as sys;
use linkspan_os::deadline;
use linkspan_transport as transport;
use linkspan_transport::frame;
use linkspan_value::{codec, error, value};
