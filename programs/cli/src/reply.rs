//! `linkspan reply`: a program is run for each request.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use linkspan::{Encoding, ErrorKind, RemoteFailure, Request, Server, Value, Wait, codec};

use crate::args::ReplyArgs;
use crate::executable::find_program;
use crate::exit::Exit;
use crate::messages::print_port;
use crate::signals::Signals;
use crate::stderr;
use crate::subprocess::{self, Bounds};

/// One request at a time, until a signal or enough answers.
pub fn reply(args: &ReplyArgs, signals: &Signals) -> Result<(), Exit> {
    let mut options = args.endpoint.to_options_with(args.reply_schema.as_ref())?;
    options.shared |= args.shared;
    let mut check = || signals.check();
    if !args.shell {
        find_program(OsStr::new(&args.command), None)?;
    }
    let server = Server::serve(&args.endpoint.name, &options).map_err(Exit::from_opening)?;
    print_port(&args.endpoint.name, server.endpoint());
    let bounds = Bounds { time: args.within, output: args.limit };
    let mut count = 0u64;
    let served = loop {
        let request = match server.next(Wait::new(None).tick(&mut check)) {
            Ok(Some(request)) => request,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        };
        if let Err(ending) = serve(args, &request, bounds, signals) {
            break Err(ending);
        }
        drop(request);
        count = count.saturating_add(1);
        if count == args.count {
            break Ok(());
        }
    };
    let closed = server.close(Wait::new(Duration::from_secs(5)).tick(&mut check));
    served?;
    Ok(closed?)
}

fn serve(args: &ReplyArgs, request: &Request, bounds: Bounds, signals: &Signals) -> Result<(), Exit> {
    let answer = match codec::transcode(request.body(), request.encoding(), Encoding::Json) {
        Ok(mut input) => {
            input.push(b'\n');
            let outcome = subprocess::run(command(args, request), &args.command, &input, bounds, signals)?;
            outcome.and_then(|printed| value(&printed, args.text))
        }
        // The caller gets the reason, and later requests follow.
        Err(error) => {
            Err(subprocess::failure(error.kind(), &format!("the request as JSON: {}", error.text())))
        }
    };
    if !request.wants_reply() {
        // The message was sent and not called, so no client waits for the answer.
        if let Err(failure) = answer {
            stderr::print_note(&format!("{} for a message of {}", failure.text, request.source()));
        }
        return Ok(());
    }
    let outcome = match &answer {
        Ok(value) => match request.reply(value) {
            // It is longer than the caller accepts, so the caller gets this error instead.
            Err(e) if e.kind() == ErrorKind::TooLarge => {
                request.fail(&subprocess::failure(e.kind(), e.text()))
            }
            outcome => outcome,
        },
        Err(failure) => request.fail(failure),
    };
    match outcome {
        // A caller that has ended does not wait for the answer: continue with the next one.
        Err(e) if e.kind() != ErrorKind::Disconnected => Err(e.into()),
        _ => Ok(()),
    }
}

/// The program and its arguments, interpreted only by a requested shell.
///
/// The request is only on standard input.
fn command(args: &ReplyArgs, request: &Request) -> Command {
    let mut command = match args.shell {
        true => {
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(&args.command).arg("sh");
            shell
        }
        false => Command::new(&args.command),
    };
    command.args(&args.arguments);
    command.env("LINKSPAN_SOURCE", request.source().replace('\0', ""));
    command
}

/// An output as JSON, null if empty; or a text without its last line end.
fn value(printed: &[u8], is_text: bool) -> std::result::Result<Value, RemoteFailure> {
    if is_text {
        let text = std::str::from_utf8(printed).map_err(|e| {
            subprocess::failure(ErrorKind::Malformed, &format!("what the program printed is not text: {e}"))
        })?;
        return Ok(text.strip_suffix('\n').unwrap_or(text).into());
    }
    if printed.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    codec::decode(printed, Encoding::Json).map_err(|e| {
        let text = format!("what the program printed is not JSON (--text takes it as a text): {e}");
        subprocess::failure(e.kind(), &text)
    })
}
