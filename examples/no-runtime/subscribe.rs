//! A subscriber without a runtime: the awaiting thread turns the reactor.
//!
//! Prints three readings of `first/publish`.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use linkspan::{Reactor, Result};

/// Runs a future to its end.
///
/// This thread runs nothing else, so a turn is all that a waker could ask for.
fn block_on<T>(future: impl Future<Output = Result<T>>, reactor: &Reactor) -> Result<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => reactor.turn(None)?,
        }
    }
}

fn main() -> Result<()> {
    let reactor = Reactor::new()?;
    let readings = linkspan::subscribe("first/publish")?;
    for _ in 0..3 {
        let reading = block_on(readings.recv_async(&reactor), &reactor)?;
        println!("{}", reading.get("celsius")?.as_f64()?);
    }
    Ok(())
}
