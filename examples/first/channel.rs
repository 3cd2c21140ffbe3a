//! A channel: start it twice, in any two languages. The first listens, the second joins it.

use linkspan::{Channel, Options, Timeout, Value};

fn main() -> linkspan::Result<()> {
    let channel = Channel::open("first/channel", &Options::default(), Timeout::Default)?;
    channel.send(&Value::map([("from", "Rust")]), Timeout::Default)?;
    let message = channel.recv(Timeout::Default)?;
    println!("the {} received from {}", channel.role().name(), message.get("from")?.as_text()?);
    channel.close(Timeout::Default)
}
