//! Links and journals of which one end is on another machine, for a bridge between machines.
//!
//! A bridge relays the frames of a program here as they are: the sessions of the two programs reach from end to end,
//! and a bridge has no part in them. It relays the hellos, so that each side gets the progress of the other, and then
//! frames in order, in both directions. If it breaks a link, the program that connected makes a new one, and lost
//! messages are sent again under their old numbers.
//!
//! A bridge has a [`RelayListener`] for each name of another machine. It takes a [`RelayCaller`] from it and sends the
//! hello to the other machine, where [`RelayLink::call`] presents it to the listener; the answer goes back to
//! [`RelayCaller::answer`]. From then on the two machines copy frames between their `RelayLink`s. A journal of the
//! other machine is repeated by a [`Replica`].
//!
//! This crate is for `linkspan-bridge` alone and changes without notice.
//!
//! | what | lives in |
//! |---|---|
//! | programs that connect to a name of another machine | `listener` |
//! | a link whose frames are relayed | `link` |
//! | frames as bytes, and what both refuse | `frames` |
//! | a journal that repeats one of another machine | `replica` |

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
