//! A subscriber in a tokio program. Prints three readings of `first/publish`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> linkspan::Result<()> {
    let reactor = linkspan_tokio::reactor()?;
    let readings = linkspan::subscribe("first/publish")?;
    for _ in 0..3 {
        let reading = readings.recv_async(&reactor).await?;
        println!("{}", reading.get("celsius")?.as_f64()?);
    }
    Ok(())
}
