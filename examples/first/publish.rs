//! Publish and subscribe: `publish` publishes ten readings a second, `publish subscribe` prints three readings.

use linkspan::{Options, Publisher, Subscriber, Timeout, Value};

fn main() -> linkspan::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("subscribe") {
        let readings = Subscriber::new("first/publish", &Options::default())?;
        for _ in 0..3 {
            let Some(reading) = readings.next(Timeout::Default)? else { break };
            println!("{:.1} °C from {}", reading.get("celsius")?.as_f64()?, reading.get("from")?.as_text()?);
        }
        return Ok(());
    }
    let out = Publisher::new("first/publish", &Options::default())?;
    let mut celsius = 20.0;
    loop {
        out.send(&Value::map([("celsius", Value::from(celsius)), ("from", Value::from("Rust"))]))?;
        celsius += 0.1;
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
