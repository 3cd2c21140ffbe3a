//! Unix stream sockets: one vectored write a message, one read for as many messages as have come.

mod receive;
mod send;

pub use receive::UnixRx;
pub use send::UnixTx;
