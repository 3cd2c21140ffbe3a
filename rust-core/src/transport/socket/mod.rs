//! Links over a stream of bytes: one vectored write per message, and one read for as many messages
//! as have arrived.
//!
//! [`StreamTx`] and [`StreamRx`] share the stream and
//! [`PeerActivity`](peer_activity::PeerActivity), nothing else, so two threads use them without a
//! lock. Unix sockets, TCP, TLS and pipes all use them.
//!
//! | what | defined in |
//! |---|---|
//! | frames into bytes | `send`; the rest of a partly sent frame: `rest` |
//! | bytes into frames | `receive` |
//! | the time of the peer's last activity | `peer_activity` |

mod peer_activity;
mod receive;
mod rest;
mod send;

pub use receive::StreamRx;
pub use rest::Rest;
pub use send::StreamTx;
