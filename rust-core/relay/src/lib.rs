//! Links and journals with one end on another machine, for a bridge between machines.
//!
//! A bridge relays the frames of a program unchanged: the sessions of the two programs reach from end to end. If it
//! breaks a link, the program that connected makes a new one, and lost messages are replayed under their old numbers.
//!
//! A bridge has a [`RelayListener`] for each name of another machine. It takes a [`RelayCaller`] from it and sends the
//! hello to the other machine. There [`RelayLink::call`] presents the hello to the listener; the answer goes back to
//! [`RelayCaller::answer`]. Then the two machines copy frames between their `RelayLink`s. A [`Replica`] repeats a
//! journal of the other machine.
//!
//! This crate is only for `linkspan-bridge` and changes without notice.
//!
//! | subject | defined in |
//! |---|---|
//! | programs that connect to a name of another machine | `listener` |
//! | a link whose frames are relayed | `link` |
//! | frames as bytes, and refusals | `frames` |
//! | a journal that repeats another machine's journal | `replica` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![deny(missing_debug_implementations)]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod frames;
mod link;
mod listener;
mod replica;

pub use link::RelayLink;
pub use listener::{RelayCaller, RelayListener};
pub use replica::{Replica, ReplicaRecord};
