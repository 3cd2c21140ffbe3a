//! A recording in the page, for who has its files on this machine: a gateway that gives them, and nothing else, to who has its token.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path as Segment, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_core::Stream;
use linkspan::page::{Origin, Token};
use linkspan::{Error, ErrorKind, Result, Value, files, several_lines};
use linkspan_program::signals::Signals;
use linkspan_program::stdout;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::access::{Admitted, Gateway, Problem, Settings, json};
use crate::rights::Rights;
use crate::server;
use crate::service::{Made, made, raise_descriptors};
use crate::tokens::Tokens;

/// Bytes that are read at once, and how many such pieces wait for the client.
const PIECE: usize = 256 << 10;
const WAITING: usize = 4;
/// How often the threads are looked at.
const LOOK: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// A file of a recording.
pub struct Part {
    name: String,
    file: Arc<File>,
}

impl Part {
    fn open(path: &Path) -> Result<Part> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Part { name, file: Arc::new(files::open(path)?) })
    }

    /// Returns how long the file is now: it may still be written.
    fn size(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        metadata.map(|metadata| metadata.len()).map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::os(format!("reading {}", self.name), error.raw_os_error().unwrap_or(0))
    }
}

/// Shows a recording until a signal ends the program.
///
/// # Errors
/// Those of the files and of the address; `PermissionDenied` for an address that other machines reach.
pub fn run(paths: &[PathBuf], listen: &str) -> Result<()> {
    let signals = Signals::install()?;
    let recording = paths.iter().map(|path| Part::open(path)).collect::<Result<Vec<_>>>()?;
    let requested = server::parse(listen)?;
    if !requested.ip().is_loopback() {
        let text = format!(
            "{requested} is reached from other machines, and a recording is shown on this one alone; listen at 127.0.0.1 and use `ssh -L`"
        );
        return Err(Error::new(ErrorKind::PermissionDenied, text));
    }
    raise_descriptors();
    let token = Token::draw()?;
    // No name may be read: there is the recording alone.
    let tokens = Tokens::new(None, Some((&token, Rights { name: "start".into(), ..Rights::default() })))?;
    let listener = server::listen(requested)?;
    let address = listener
        .local_addr()
        .map_err(|e| Error::os(format!("listening at {requested}"), e.raw_os_error().unwrap_or(0)))?;
    let settings = Settings {
        name_rate: 1.0,
        max_message_size: 4_096,
        ping: Duration::from_secs(20),
        origins: Vec::new(),
        behind_proxy: false,
        is_tls: false,
    };
    let origin = Origin { port: address.port(), remote: false, hosts: Vec::new() };
    let Made { gateway, stop, started, .. } = made(settings, origin, tokens, 0, recording);
    let threads = server::serve(&gateway, started, &listener, None)?;
    drop(listener);
    stdout::print_lines(&several_lines(&format!("{}&recording=1", token.address(&address.to_string()))))?;
    while signals.signal().is_none() && !threads.has_ended() {
        // It says itself what it was that ended the wait.
        let _ = poll(&mut [PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN)], Some(&LOOK));
    }
    stop.send_replace(true);
    threads.join();
    signals
        .signal()
        .map(|_| ())
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a thread has ended in a defect"))
}

fn missing(what: &str) -> Problem {
    Error::new(ErrorKind::NotFound, format!("{what}; `linkspan recording view FILE` shows a recording"))
        .into()
}

/// `GET /api/recording`: the files, with names and sizes.
pub async fn list(
    State(gateway): State<Arc<Gateway>>,
    Admitted(_): Admitted,
) -> std::result::Result<Response, Problem> {
    if gateway.recording.is_empty() {
        return Err(missing("this gateway shows no recording"));
    }
    let files = gateway.recording.iter().map(|part| {
        Ok(Value::map([("name", Value::from(part.name.as_str())), ("size", part.size()?.into())]))
    });
    Ok(json(&Value::map([("files", Value::Array(files.collect::<Result<_>>()?))])))
}

/// `GET /api/recording/NUMBER`: one of them, from 0.
pub async fn file(
    State(gateway): State<Arc<Gateway>>,
    Admitted(rights): Admitted,
    Segment(number): Segment<String>,
) -> std::result::Result<Response, Problem> {
    let part = number.parse().ok().and_then(|number: usize| gateway.recording.get(number));
    let part = part.ok_or_else(|| missing("there is no such file"))?;
    let (size, file) = (part.size()?, part.file.clone());
    let place = gateway.waiting.take(&rights.name)?;
    let (sender, receiver) = mpsc::channel(WAITING);
    spawn_blocking(move || {
        let _place = place;
        let mut at = 0;
        while at < size {
            let wanted = usize::try_from(size - at).unwrap_or(PIECE).min(PIECE);
            let mut piece = vec![0; wanted];
            // A file that has become shorter ends the answer early, which the client sees.
            let read = file.read_at(&mut piece, at).and_then(|read| match read {
                0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
                read => Ok(read),
            });
            at += read.as_ref().map_or(0, |read| *read as u64);
            let is_over = read.is_err();
            let sent = sender.blocking_send(read.map(|read| {
                piece.truncate(read);
                Bytes::from(piece)
            }));
            if is_over || sent.is_err() {
                return;
            }
        }
    });
    let headers = [(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_LENGTH, size.to_string())];
    Ok((headers, Body::from_stream(Pieces(receiver))).into_response())
}

struct Pieces(mpsc::Receiver<std::io::Result<Bytes>>);

impl Stream for Pieces {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
