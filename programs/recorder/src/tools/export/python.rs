//! Runs the Python module for the other formats, without the current folder and the environment.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

use linkspan::service::{start_program, start_thread};
use linkspan::{Encoding, Error, ErrorKind, Map, Result, Value, codec, environment, programs};
use linkspan_recording::Instant;
use linkspan_recording::files::of_io;

use super::pass::{Arguments, Table, json, progress};
use crate::tools::choice::Window;
use crate::tools::faults::Faults;
use crate::tools::opening::max_message_size;
use crate::tools::progress::Progress;

/// Runs the module for all names in one file, or one file per name.
pub fn write(
    form: &str,
    arguments: &Arguments,
    window: &Window<'_>,
    tables: &[Table],
    faults: &mut Faults,
) -> Result<()> {
    let mut progress = progress(arguments);
    let request = request(form, arguments, window, tables, progress.is_shown())?;
    let python = interpreter()?;
    let shown = linkspan::one_line(&python.to_string_lossy()).to_string();
    let mut command = Command::new(&python);
    programs::clean_environment(&mut command);
    command.args(["-P", "-E", "-m", "linkspan._export"]).current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = run(command, &request, &mut progress).map_err(|error| of_io(&error, "starting", &python))?;
    drop(progress);
    let failed = |kind, text: &str| {
        Error::new(kind, linkspan::one_line(&format!("--{form} by {shown}: {text}")).to_string())
    };
    let Ok(Value::Map(answer)) = codec::decode(&done.stdout, Encoding::Json) else {
        let text = String::from_utf8_lossy(&done.stderr);
        let last = text.trim().lines().last().unwrap_or_default();
        return Err(match done.status.signal() {
            Some(signal) => failed(ErrorKind::Unsupported, &format!("signal {signal} ended it; {last}")),
            None if text.contains("No module named") => {
                let remedy = environment::advice(
                    "it needs `pip install linkspan[recording]`, and LINKSPAN_PYTHON may name another interpreter",
                    "it needs `pip install linkspan[recording]`, for the Python of the system",
                );
                failed(ErrorKind::Unsupported, &format!("{last}; {remedy}"))
            }
            None => failed(ErrorKind::Unsupported, &format!("it ended with {}: {last}", done.status)),
        });
    };
    let error = |of: &Map| {
        let Some(Value::Text(text)) = of.get("error") else { return None };
        let code = of.get("code").and_then(|code| u16::try_from(code.as_i64().ok()?).ok());
        Some(failed(code.and_then(ErrorKind::from_code).unwrap_or(ErrorKind::Unsupported), text))
    };
    if let Some(Value::Array(refused)) = answer.get("refused") {
        let refused =
            refused.iter().filter_map(|one| if let Value::Map(one) = one { error(one) } else { None });
        refused.for_each(|refused| faults.table(&refused));
    }
    if let Some(Value::Array(left_out)) = answer.get("left_out") {
        for one in left_out {
            let Value::Map(one) = one else { continue };
            let count = one.get("count").and_then(|count| u64::try_from(count.as_i64().ok()?).ok());
            if let (Some(count), Some(Value::Text(text))) = (count, one.get("error")) {
                faults.left_out(count, text);
            }
        }
    }
    error(&answer).map_or(Ok(()), Err)
}

/// Returns the request in JSON, because names and paths may have any character.
fn request(
    form: &str,
    arguments: &Arguments,
    window: &Window<'_>,
    tables: &[Table],
    shows_progress: bool,
) -> Result<Vec<u8>> {
    let path = |path: &Path| -> Result<Value> {
        let path = std::path::absolute(path).map_err(|error| of_io(&error, "finding", path))?;
        let text = path.to_str().ok_or_else(|| {
            let text = format!("--{form} takes paths in UTF-8 alone, and {} is none", path.display());
            Error::new(ErrorKind::Unsupported, text)
        })?;
        Ok(text.into())
    };
    let table = |table: &Table| -> Result<Value> {
        let Some(output) = &table.path else {
            return Err(Error::new(
                ErrorKind::InvalidState,
                format!("--{form} writes a file: name it with -o"),
            ));
        };
        arguments.how.making(output, &[&arguments.file])?;
        Ok(Value::Array(vec![table.topic.as_str().into(), path(output)?]))
    };
    let (from, to) = window.ends();
    let place = |instant: Option<Instant>, otherwise: u64| match instant {
        None => otherwise.into(),
        Some(Instant::At(at)) => at.into(),
        Some(Instant::After(after)) => Value::Array(vec![after.into()]),
    };
    let request = Map::from_iter([
        ("form".to_owned(), form.into()),
        ("recording".to_owned(), path(&arguments.file)?),
        ("tables".to_owned(), Value::Array(tables.iter().map(table).collect::<Result<_>>()?)),
        ("begin".to_owned(), place(from, 0)),
        ("end".to_owned(), place(to, u64::MAX)),
        ("replace".to_owned(), arguments.how.force.into()),
        ("in_folder".to_owned(), tables.iter().any(|table| table.is_in_folder).into()),
        ("mode".to_owned(), arguments.how.mode.map_or(Value::Null, Value::from)),
        ("progress".to_owned(), shows_progress.into()),
        ("max_message_size".to_owned(), max_message_size().map_or(Value::Null, Value::from)),
    ]);
    Ok(json(&Value::Map(request))?.body().to_vec())
}

/// Runs the module. Before its answer, it prints lines with its progress.
fn run(mut command: Command, request: &[u8], progress: &mut Progress) -> std::io::Result<Output> {
    let mut child = start_program(&mut command)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A module that ended early reports the reason.
        let _ = stdin.write_all(request);
    }
    if !progress.is_shown() {
        return child.wait_with_output();
    }
    // Standard error is read concurrently, because a full pipe would block the module.
    let mut stderr = child.stderr.take();
    let (said, errors) = mpsc::channel();
    let reading = start_thread("export-errors", move || {
        let mut text = Vec::new();
        let _ = stderr.as_mut().map(|stderr| stderr.read_to_end(&mut text));
        let _ = said.send(text);
    });
    reading.map_err(std::io::Error::other)?;
    let mut stdout = Vec::new();
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).split(b'\n')) {
        let line = line?;
        let part = codec::decode(&line, Encoding::Json).and_then(|line| line.at("progress")?.as_f64());
        match part {
            Ok(part) => progress.show(part),
            Err(_) => stdout = line,
        }
    }
    Ok(Output { status: child.wait()?, stdout, stderr: errors.recv().unwrap_or_default() })
}

/// Returns the interpreter: the absolute path in LINKSPAN_PYTHON, or a program of PATH, never of the current folder.
///
/// A program with more rights than its caller uses the system's interpreter.
fn interpreter() -> Result<PathBuf> {
    let named = environment::variable("LINKSPAN_PYTHON");
    let name = PathBuf::from(named.unwrap_or_else(|| "python3".into()));
    if name.is_absolute() {
        return Ok(name);
    }
    if name.as_os_str().as_bytes().contains(&b'/') {
        let text = format!(
            "LINKSPAN_PYTHON names {}, which is another program in each folder: give its whole path, which begins with /, or the name of a program in PATH",
            name.display()
        );
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    programs::program_of_path(name.as_os_str()).ok_or_else(|| {
        let text = format!(
            "no folder of {} has {}, which writes this: install Python with `pip install linkspan[recording]`{}",
            environment::advice("PATH", "the system's programs"),
            name.display(),
            environment::advice(", or name an interpreter in LINKSPAN_PYTHON", "")
        );
        Error::new(ErrorKind::NotFound, text)
    })
}
