//! Latency at a fixed rate, open loop: one end sends at times that are fixed in advance, the other receives, and
//! histograms keep how long each message took from the time at which it was to be sent.

mod burden;
mod measure;
pub mod pace;
mod rows;
#[cfg(test)]
mod tests;
mod worker;

pub use burden::burn;
pub use measure::{Figures, Measured, measure_rates};
pub use rows::all;
pub use worker::{Waits, receive_rounds, serve, shared};
