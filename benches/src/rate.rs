//! Latency at a fixed rate, open loop. One end sends at predetermined times, the other receives. Histograms collect
//! the time from each message's due time to its arrival.

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
