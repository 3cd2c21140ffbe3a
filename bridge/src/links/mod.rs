//! Links between programs of two machines: bridges forward the frames of each to the other unchanged, in order, within a window.
//!
//! | what | lives in |
//! |---|---|
//! | all links, and the other bridges | `set` |
//! | one link: a program of this machine, and the units that come for it | `link` |
//! | units in order and once, whatever the engine loses | `order` |
//! | the packets between two bridges | `packet` |
//! | streams between the bridges themselves | `stream` |

mod link;
mod order;
mod packet;
mod set;
#[cfg(test)]
mod simulation;
mod stream;

pub use link::Received;
pub use order::WINDOW;
pub use packet::Id;
pub use set::{Links, Opened};
