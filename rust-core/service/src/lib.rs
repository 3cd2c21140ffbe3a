//! Services and their controllers, listings of names, the doctor, the rules of the controller's page.
//!
//! This crate is only for `linkspan` and changes without notice.
//!
//! | subject | lives in |
//! |---|---|
//! | services, and the clients of a controller | `service` |
//! | open names on this machine | `registry` |
//! | why two programs cannot connect | `doctor` |
//! | the rules of the controller's page, for its web servers | `page` |

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
