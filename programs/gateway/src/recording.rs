//! The files of a recording for the page that plays it.

use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_core::Stream;
use linkspan::{Error, ErrorKind, Result, Value};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::access::{Admitted, Gateway, Problem, json};

/// Bytes per read, and how many pieces wait for the client.
const PIECE: usize = 256 << 10;
const WAITING: usize = 4;

fn missing(what: &str) -> Problem {
    Error::new(ErrorKind::NotFound, format!("{what}; `linkspan recording view FILE` shows a recording"))
        .into()
}

/// `GET /api/recording`: names and sizes of the files.
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

/// `GET /api/recording/NUMBER`: one file, counted from 0.
pub async fn file(
    State(gateway): State<Arc<Gateway>>,
    Admitted(rights): Admitted,
    Path(number): Path<String>,
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
            let wanted = usize::try_from(size.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            let mut piece = vec![0; wanted];
            // If the file was truncated, the response ends early, which the client detects.
            let read = file.read_at(&mut piece, at).and_then(|read| match read {
                0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
                read => Ok(read),
            });
            at = at.saturating_add(read.as_ref().map_or(0, |read| *read as u64));
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
