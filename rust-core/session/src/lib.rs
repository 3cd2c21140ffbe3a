//! Sessions of Linkspan: numbers, acknowledgement and replay, as pure state machines.
//!
//! This crate is only for `linkspan-engine` and changes without notice.
//!
//! A session is the messages of one incarnation of a program to its peer, numbered from 1 across all links between the
//! two. Each end has a [`Connection`], with an [`Outbox`] for sent and an [`Inbox`] for received messages. On a new
//! link each side sends a [`SessionHello`] with its session and its progress. The outbox derives the replay from it.
//!
//! The crate uses no clock, socket, lock or thread: it has no `std` and no `unsafe`, and its `clippy.toml` refuses
//! atomics. Tests can therefore run random histories of two ends, with links that break at any point (`simulation`).
//!
//! | what | defined in |
//! |---|---|
//! | one session with one peer, over all links | `connection` |
//! | sessions in hellos; the identity of a peer | `hello`, `identity` |
//! | the sending side | `outbox` |
//! | kept messages, in fixed places | `places` |
//! | the receiving side | `inbox` |
//! | when to dial again | `redial` |
//! | sessions of disconnected peers, bounded | `peers` |

#![cfg_attr(not(test), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![deny(missing_debug_implementations)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod connection;
mod hello;
#[cfg(test)]
#[path = "../../engine/src/histories.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod histories;
mod identity;
pub mod inbox;
pub mod outbox;
pub mod peers;
pub mod places;
mod planted;
#[cfg(test)]
mod properties;
pub mod redial;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use connection::Connection;
pub use hello::{Progress, ReplayLimits, RetransmitClass, SessionHello};
pub use identity::{Identity, Owner};
pub use inbox::{Acknowledge, Inbox};
pub use outbox::Outbox;

use linkspan_value::error;
