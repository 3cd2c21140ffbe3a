//! `linkspan reply`: a program is run for each request.

use std::process::Command;
use std::time::Duration;

use linkspan::{Encoding, ErrorKind, RemoteFailure, Request, Server, Value, Wait, codec};

use crate::arguments::Reply;
use crate::ending::{self, Ending};
use crate::messages::tell_port;
use crate::running::{self, Bounds};
use crate::stop::Stop;

/// Serves, one request at a time, until a signal or until enough have been answered.
pub fn reply(asked: &Reply, stop: &Stop) -> Result<(), Ending> {
    let mut options = asked.opening.to_options()?;
    options.shared |= asked.shared;
    let mut check = || stop.check();
    let server = Server::serve(&asked.opening.name, &options)?;
    tell_port(&asked.opening.name, server.endpoint());
    let bounds = Bounds { time: asked.within, output: asked.limit };
    let mut count = 0;
    let served = loop {
        let request = match server.next(Wait::new(None).tick(&mut check)) {
            Ok(Some(request)) => request,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        };
        if let Err(ending) = serve(asked, &request, bounds, stop) {
            break Err(ending);
        }
        drop(request);
        count += 1;
        if count == asked.count {
            break Ok(());
        }
    };
    let closed = server.close(Wait::new(Duration::from_secs(5)).tick(&mut check));
    served?;
    Ok(closed?)
}

/// Runs the program for one request, and answers it.
fn serve(asked: &Reply, request: &Request, bounds: Bounds, stop: &Stop) -> Result<(), Ending> {
    let mut input = codec::transcode(request.body(), request.encoding(), Encoding::Json)?;
    input.push(b'\n');
    let outcome = running::run(command(asked, request), &asked.command, &input, bounds, stop)?;
    let answer = outcome.and_then(|printed| value(&printed, asked.text));
    if !request.wants_reply() {
        // Nobody hears of it: it was sent, not called.
        if let Err(failure) = answer {
            ending::note(&format!("{} for a message of {}", failure.text, request.source()));
        }
        return Ok(());
    }
    let said = match &answer {
        Ok(value) => match request.reply(value) {
            // Larger than the caller takes: it is told that in its place.
            Err(e) if e.kind() == ErrorKind::TooLarge => request.fail(&running::failure(e.kind(), e.text())),
            said => said,
        },
        Err(failure) => request.fail(failure),
    };
    match said {
        // A caller who has gone by now has given up: the next one matters.
        Err(e) if e.kind() != ErrorKind::Disconnected => Err(e.into()),
        _ => Ok(()),
    }
}

/// The program with its arguments, as they are: a shell reads them only where that was asked for. Nothing of the request stands in
/// them: it comes by standard input alone.
fn command(asked: &Reply, request: &Request) -> Command {
    let mut command = match asked.shell {
        true => {
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(&asked.command).arg("sh");
            shell
        }
        false => Command::new(&asked.command),
    };
    command.args(&asked.arguments);
    command.env("LINKSPAN_SOURCE", request.source().replace('\0', ""));
    command
}

/// The answer in what a program printed: JSON, null where it printed nothing; or a text without its last line end.
fn value(printed: &[u8], is_text: bool) -> std::result::Result<Value, RemoteFailure> {
    if is_text {
        let text = std::str::from_utf8(printed).map_err(|e| {
            running::failure(ErrorKind::Malformed, &format!("what the program printed is no text: {e}"))
        })?;
        return Ok(text.strip_suffix('\n').unwrap_or(text).into());
    }
    if printed.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    codec::decode(printed, Encoding::Json).map_err(|e| {
        let text = format!("what the program printed is no JSON (--text takes it as a text): {e}");
        running::failure(e.kind(), &text)
    })
}
