//! Server-sent events for one page. A page that is new or has missed events first gets the whole state.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use linkspan::ErrorKind;
use tokio::sync::{mpsc, watch};

use super::feed::{Feed, Happened, Looking};
use super::problem::Problem;

const VIEWERS: usize = 32;
/// The most queued events for one page; more wait in the feed, which drops old ones.
const WAITING: usize = 16;
/// A comment after this silence lets both ends notice a broken stream.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long a page waits before it reconnects after the stream has ended.
const RETRY: Duration = Duration::from_millis(500);

/// Continues until the page disconnects or the server ends.
pub fn stream(
    feed: &Arc<Feed>,
    headers: &HeaderMap,
    stopped: watch::Receiver<bool>,
) -> Result<Response, Problem> {
    let Some(looking) = feed.look(VIEWERS) else {
        let text = format!("{VIEWERS} pages look already; close one");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Full, text));
    };
    let last_event_id = headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or("").to_owned();
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(send_events(looking, last_event_id, sender, stopped));
    let alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    let mut response = Sse::new(Events(receiver)).keep_alive(alive).into_response();
    // Proxies must not buffer events.
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

async fn send_events(
    looking: Looking,
    last_event_id: String,
    sender: mpsc::Sender<Event>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut changed = looking.feed().changed();
    let mut position = looking.feed().position_of(&last_event_id);
    let mut first = true;
    loop {
        for Happened { number, what, json } in looking.feed().since(&mut position) {
            let mut event = Event::default().id(looking.feed().id(number)).event(what).data(&*json);
            if std::mem::take(&mut first) {
                event = event.retry(RETRY);
            }
            if sender.send(event).await.is_err() {
                return;
            }
        }
        tokio::select! {
            more = changed.changed() => if more.is_err() { return },
            () = sender.closed() => return,
            _ = stopped.wait_for(|stop| *stop) => return,
        }
    }
}

struct Events(mpsc::Receiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}
