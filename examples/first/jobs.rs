//! A work queue: `jobs` adds three jobs, `jobs work` does jobs until a stop signal.
//!
//! Start any number of workers.

use linkspan::{Channel, Options, Server, Timeout, Value};

const QUEUE: &str = "spool:first/jobs";

fn main() -> linkspan::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("work") {
        let worker = Server::serve(QUEUE, &Options::default().with_shared(true))?;
        // The return of the function finishes the job.
        return worker.run(|job| {
            let (number, from) = (job.get("number")?.as_i64()?, job.get("from")?);
            println!("job {number} of {}, done in Rust", from.as_text()?);
            Ok(Value::Null)
        });
    }
    let queue = Channel::connect(QUEUE, &Options::default(), Timeout::Default)?;
    for number in [1, 2, 3] {
        let job = Value::map([("number", Value::from(number)), ("from", Value::from("Rust"))]);
        queue.send(&job, Timeout::Default)?;
    }
    Ok(())
}
