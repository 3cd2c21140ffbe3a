//! A subscriber in a tokio program: its descriptor joins tokio's event loop. Prints three readings of `first/publish`.

use linkspan::{ErrorKind, Message, Result, Subscriber};
use tokio::io::unix::AsyncFd;

/// The next message, awaited. The descriptor stays readable until `try_recv` has found nothing.
async fn recv(readings: &AsyncFd<Subscriber>) -> Result<Message> {
    loop {
        match readings.get_ref().try_recv() {
            Err(nothing) if nothing.kind() == ErrorKind::Empty => {}
            taken => return taken,
        }
        let ready = readings.readable().await;
        ready.map_err(|e| linkspan::Error::new(ErrorKind::Internal, e.to_string()))?.clear_ready();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let readings = linkspan::subscribe("first/publish")?;
    // SAFETY: a subscriber keeps one descriptor, open and the same, for as long as it lives.
    let readings = unsafe { AsyncFd::register(readings) }?;
    for _ in 0..3 {
        println!("{}", recv(&readings).await?.get("celsius")?.as_f64()?);
    }
    Ok(())
}
