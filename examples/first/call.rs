//! Request and reply: `call serve` adds up the numbers of each request, `call` sends one.

use linkspan::{Channel, NdArray, Options, Server, Timeout, Value};

fn main() -> linkspan::Result<()> {
    let options = Options::default();
    if std::env::args().nth(1).as_deref() == Some("serve") {
        // The caller gets the errors of the handler.
        return Server::serve("first/call", &options)?.run(|request| {
            let sum: f64 = request.get("numbers")?.as_ndarray()?.elements::<f64>()?.iter().sum();
            Ok(Value::map([("sum", Value::from(sum)), ("from", Value::from("Rust"))]))
        });
    }
    let channel = Channel::connect("first/call", &options, Timeout::Default)?;
    let numbers = Value::from(NdArray::vector(&[1.0, 2.0, 3.5]));
    let reply = channel.call(&Value::map([("numbers", numbers)]), Timeout::Default)?;
    println!("the sum is {:.1}, says {}", reply.get("sum")?.as_f64()?, reply.get("from")?.as_text()?);
    Ok(())
}
