//! Links between programs of two machines: bridges forward the frames of each to the other unchanged, in
//! order, within a window.
//!
//! A link begins when a program of this machine connects to a name of another one. Its hello goes to the
//! other bridge, which connects to the program there with this hello; the answer comes back the same way.
//! From then on each bridge reads frames from its program, numbers them as units, and delivers the units that
//! it receives to its program.
//!
//! A link ends when one of the programs disconnects, or when the other bridge has gone or has no such
//! link. In either case the units that were received before are delivered first; then the program on this
//! side is disconnected.
//!
//! | what | lives in |
//! |---|---|
//! | all links, and the other bridges | `set` |
//! | one link: a program of this machine, and the units that come for it | `link` |
//! | units in order and once, whatever the engine loses | `order` |
//! | the packets between two bridges | `packet` |
//! | streams between the bridges themselves; their messages | `stream`, `parcel` |

mod link;
mod order;
mod packet;
mod parcel;
mod set;
#[cfg(test)]
mod simulation;
mod stream;

pub use link::Received;
pub use order::WINDOW;
pub use packet::Id;
pub use parcel::{pack, unpack};
pub use set::{Links, Opened};
