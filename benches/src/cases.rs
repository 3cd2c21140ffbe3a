//! The cases: the arguments after `work` select a worker's case, or a far end in a separate program.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::cpu::{End, Placement, pin};
use crate::ends::end_with_parent;
use crate::worker::measure_processor_time;
use crate::{Result, floor, growth, ours, rate};

/// `work CASE …`, `far CASE …`, or `pinned PROGRAM …` for a language that cannot pin itself.
pub fn work(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // It removes its queue at the end of its standard input.
    if words.get(1) != Some(&"sysvmsg") {
        end_with_parent();
    }
    match words.as_slice() {
        ["work", "cpu", rest @ ..] => {
            measure_processor_time();
            case(rest)
        }
        ["work", rest @ ..] => case(rest),
        ["far", "serve", endpoint, placement, spin] => ours::channel::serve_alone(endpoint, placement, spin),
        ["far", "echo", endpoint, placement, spin] => ours::channel::echo_alone(endpoint, placement, spin),
        ["far", "arrays", endpoint, bytes, placement, spin] => {
            ours::arrays::answer_alone(endpoint, bytes, placement, spin)
        }
        ["far", "burden"] => rate::burn(),
        ["far", "sysvmsg", key, bytes] => floor::system_v::echo(key, bytes),
        ["far", "bytes", path, bytes, placement] => floor::echo_alone(path, bytes, placement),
        ["pinned", program, rest @ ..] => {
            pin(Placement::Together, End::Near)?;
            Err(Command::new(program).args(rest).exec().into())
        }
        _ => Err(format!("no worker is called {:?}", arguments.join(" ")).into()),
    }
}

fn case(words: &[&str]) -> Result<()> {
    match words {
        ["floor", rest @ ..] => floor::work(rest),
        ["ours", rest @ ..] => ours::work(rest),
        ["growth", rest @ ..] => growth::work(rest),
        _ => Err(format!("no worker is called {words:?}").into()),
    }
}
