//! A controller's client: asks `service` for its data, pauses it, lets it run, and ends it.

use linkspan::{Command, Controller, Result, Timeout, Value};

fn main() -> Result<()> {
    let controller = Controller::connect_default(Timeout::Default)?;
    let send = |command| controller.command("lab/counter", &command, &Value::Null, Timeout::Default);
    let count = send(Command::GetData)?.at("count")?.as_i64()?;
    println!("{}", if count >= 0 { "counts" } else { "does not count" });
    send(Command::Pause)?;
    println!("{}", controller.status("lab/counter", Timeout::Default)?.at("state")?.as_text()?);
    send(Command::Run)?;
    send(Command::Shutdown)?;
    Ok(())
}
