//! Streams of bytes as links: one vectored write a message, one read for as many messages as have come.

mod heard;
mod receive;
mod rest;
mod send;

pub use receive::StreamRx;
pub use rest::Rest;
pub use send::StreamTx;
