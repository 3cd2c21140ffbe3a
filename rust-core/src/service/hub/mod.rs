//! The controller's side: one loop that listens, hears services, answers clients, and waits for none of them.
//!
//! | what | lives in |
//! |---|---|
//! | the loop over all peers; the public [`Hub`] | `rounds` |
//! | how it listens | `options` |
//! | one peer and what it has not taken yet; clients that are cut off | `peer`, `absence` |
//! | the state, without clock and socket: who is there | `roster` |
//! | commands under way, and their final answers | `orders` |
//! | what one service is known to be | `known` |
//! | watchers, and looks at data for them | `watching` |
//! | questions of clients, as they are said, and as they are answered | `question`, `asking` |
//! | what is due when | `schedule` |
//! | logs of bounded length; limits, and who keeps to them | `events`, `conduct` |

mod absence;
mod asking;
mod conduct;
#[cfg(test)]
mod drawn;
mod events;
mod known;
mod options;
mod orders;
mod peer;
pub(super) mod question;
mod roster;
mod rounds;
mod schedule;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod troubles;
mod watching;

pub(super) use known::check_name as name_of_service;
pub use options::{HubOptions, Stop};
pub(super) use orders::margin;
pub use rounds::Hub;
