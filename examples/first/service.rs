//! A service that counts. A controller, such as `control`, may ask it, pause it, run it and end it.

use std::time::Duration;

use linkspan::{Result, Service, ServiceOptions, Value};

struct Counter(u64);

impl Service for Counter {
    fn step(&mut self) -> Result<()> {
        self.0 += 1;
        Ok(())
    }

    fn data(&mut self) -> Result<Value> {
        Ok(Value::map([("count", self.0)]))
    }
}

fn main() -> Result<()> {
    let mut options = ServiceOptions::default();
    options.every = Some(Duration::from_millis(100));
    linkspan::run(&mut Counter(0), "lab/counter", &options)?;
    println!("stopped");
    Ok(())
}
