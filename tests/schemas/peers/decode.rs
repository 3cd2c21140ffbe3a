//! Decodes the next and the newest message of a name: `decode ENDPOINT [SCHEMA]` prints each value, or the
//! error's kind and text.

mod meter;

use std::time::Duration;

use linkspan::{Message, Options, Subscriber};
use meter::Meter;

const SOON: Duration = Duration::from_secs(90);

fn decoded(message: &Message) {
    match Meter::decode(message) {
        Ok(value) => println!("{:.1}", value.pressure),
        Err(error) => println!("{} {error}", error.kind().name()),
    }
}

fn main() -> linkspan::Result<()> {
    let given: Vec<String> = std::env::args().collect();
    let mut options = Options::default();
    if let Some(schema) = given.get(2) {
        options.set("schema", &schema.as_str().into())?;
    }
    let reader = Subscriber::new(&given[1], &options)?;
    decoded(&reader.recv(SOON)?);
    decoded(&linkspan::latest(&given[1], &options, SOON)?);
    Ok(())
}
