//! Links between programs of two machines: bridges forward frames unchanged, in order, in a window.
//!
//! A link begins when a local program connects to a remote name. Its hello goes to the other bridge, which connects
//! to the program there with this hello. The answer returns the same way. Then each bridge reads frames from its
//! program, numbers them as units, and delivers received units to its program.
//!
//! A link ends when a program disconnects, or when the other bridge has gone or lacks the link. Units received before
//! are delivered first; then the local program is disconnected.
//!
//! | part | lives in |
//! |---|---|
//! | all links, and the other bridges | `set` |
//! | one link: its local program and received units | `link` |
//! | units in order and once, despite losses | `order` |
//! | the packets between two bridges | `packet` |
//! | streams between the bridges; their messages | `stream`, `parcel` |

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
