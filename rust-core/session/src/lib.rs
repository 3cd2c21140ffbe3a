//! Sessions of Linkspan: numbers, acknowledgement and replay, as pure state machines.
//!
//! This crate is for `linkspan-engine` alone and changes without notice: programs use `linkspan`.
//!
//! A session is the messages of one incarnation of a program to its peer, numbered from 1 across all links
//! between the two. Each end has a [`Connection`], with an [`Outbox`] for sent messages and an [`Inbox`] for received
//! ones. When a link is made, each side sends a [`SessionHello`] with its session and its progress; from that the
//! outbox determines what to send again.
//!
//! Nothing here reads a clock, a socket or a lock, or starts a thread: the crate has no `std` and no `unsafe`, so that
//! it could not, and its `clippy.toml` refuses atomics. Events and numbers go in, decisions come out. So random
//! histories of two ends, with links that break at any point, run in a test (`simulation`).
//!
//! | what | defined in |
//! |---|---|
//! | one session with one peer, over all links: what is sent next, what is recorded | `connection` |
//! | sessions in hellos; who a peer is | `hello`, `identity` |
//! | the sending side | `outbox` |
//! | messages that are kept, in fixed places | `places` |
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
