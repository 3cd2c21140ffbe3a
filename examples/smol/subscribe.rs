//! A subscriber in a smol program, whose task turns the reactor.
//!
//! Prints three readings of `first/publish`.

use std::error::Error;
use std::time::Duration;

use linkspan::{Reactor, Turner};
use smol::Async;

/// Turns the reactor when it is ready, until its last handle is dropped.
async fn turn(turner: Async<Turner>) {
    while turner.readable().await.is_ok() && turner.get_ref().turn(Duration::ZERO).unwrap_or(false) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let reactor = Reactor::new()?;
        smol::spawn(turn(Async::new(reactor.turner())?)).detach();
        let readings = linkspan::subscribe("first/publish")?;
        for _ in 0..3 {
            let reading = readings.recv_async(&reactor).await?;
            println!("{}", reading.get("celsius")?.as_f64()?);
        }
        Ok(())
    })
}
