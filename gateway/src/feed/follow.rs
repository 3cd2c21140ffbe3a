//! The thread that receives for all feeds, without waiting for any of them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, EventKind, Result, StartAt, Subscriber, Wait};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};

use super::{Feed, Feeds, receiving};

/// How long a feed goes on without a client: one that was cut comes back within it, and finds what it missed.
const LINGER: Duration = Duration::from_secs(30);
/// How often a feed looks whether it is still wanted.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// How often one looks at a descriptor that is in no set.
const UNWATCHED: Duration = Duration::from_millis(50);
/// Messages that are taken before other feeds have their turn.
const TURN: usize = 256;

/// Runs feeds until the gateway ends: the whole of a thread, since a call of the library may take some time.
pub async fn run(
    feeds: Arc<Feeds>,
    mut started: mpsc::UnboundedReceiver<Arc<Feed>>,
    paused: watch::Receiver<bool>,
    mut stop: watch::Receiver<bool>,
) {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            loop {
                tokio::select! {
                    feed = started.recv() => {
                        let Some(feed) = feed else { return };
                        let (feeds, paused) = (feeds.clone(), paused.clone());
                        let task = (feeds.clone(), feed.clone());
                        let task = async move { follow(&task.0, &task.1, paused).await };
                        tokio::task::spawn_local(end_with_reason(feeds, feed, task));
                    }
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        })
        .await;
}

/// Runs a feed to its end. If it fails or panics, its clients get the reason, and the next client begins a new feed.
pub(super) async fn end_with_reason(
    feeds: Arc<Feeds>,
    feed: Arc<Feed>,
    task: impl Future<Output = Result<()>> + 'static,
) {
    let failed = match tokio::task::spawn_local(task).await {
        Ok(ended) => ended.err(),
        Err(panic) => {
            let text = format!(
                "the gateway's receiver of {} ended because of an error in the gateway ({panic}); subscribe again",
                feed.key.name.text()
            );
            Some(Error::new(ErrorKind::Internal, text))
        }
    };
    if let Some(error) = failed {
        feed.log().failed = Some(error);
        feeds.remove(&mut feeds.feeds(), &feed);
    }
    feed.wake_all();
}

/// Receives the messages of a feed until no client wants them.
async fn follow(feeds: &Feeds, feed: &Arc<Feed>, mut paused: watch::Receiver<bool>) -> Result<()> {
    let mut options = receiving(feeds.longest)?;
    if let Some(from) = feed.key.from {
        options.from = Some(StartAt::Sequence(from));
    }
    let text = feed.key.name.text();
    let subscriber = Subscriber::of(&[&text], &options)?;
    let descriptor = watched(subscriber.as_fd());
    let mut unused = None;
    loop {
        // What is published meanwhile is in the publisher's ring, or is missed and counted.
        if paused.wait_for(|paused| !*paused).await.is_err() {
            return Ok(());
        }
        let taken = take_what_is_there(feeds, feed, &subscriber)?;
        if feed.users.load(Ordering::Acquire) > 0 {
            unused = None;
        } else if unused.get_or_insert_with(Instant::now).elapsed() >= LINGER && feeds.end_unused(feed) {
            return Ok(());
        }
        if taken >= TURN {
            tokio::task::yield_now().await;
            continue;
        }
        something(descriptor.as_ref()).await;
    }
}

/// Returns the descriptor in tokio's set; `None` where the kernel takes no more of them.
pub(super) fn watched(descriptor: BorrowedFd<'_>) -> Option<AsyncFd<OwnedFd>> {
    let descriptor = descriptor.try_clone_to_owned().ok()?;
    #[allow(deprecated, reason = "an owned descriptor stays open and the same as long as it lives")]
    AsyncFd::new(descriptor).ok()
}

/// Waits until there may be a message, or a moment: the look now and then costs little, and ends a feed that no client
/// wants. A descriptor that nothing watches is looked at more often.
pub(super) async fn something(descriptor: Option<&AsyncFd<OwnedFd>>) {
    let Some(descriptor) = descriptor else { return tokio::time::sleep(UNWATCHED).await };
    if let Ok(Ok(mut ready)) = tokio::time::timeout(LOOK, descriptor.readable()).await {
        ready.clear_ready();
    }
}

/// Takes some messages and the events, and wakes the clients; returns how many messages.
fn take_what_is_there(feeds: &Feeds, feed: &Feed, subscriber: &Subscriber) -> Result<usize> {
    let (mut taken, mut dropped): (usize, u64) = (0, 0);
    let mut log = feed.log();
    let end = log.end();
    while taken < TURN {
        match subscriber.next(Wait::none()) {
            Ok(Some(message)) => {
                let endpoint = message.name().unwrap_or_else(|| subscriber.endpoint()).to_owned();
                log.take(&endpoint, &message, &feeds.held);
                dropped = dropped.saturating_add(log.evict(feeds.share(), &feeds.held));
                taken = taken.saturating_add(1);
            }
            Ok(None) => break,
            Err(error)
                if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Stalled | ErrorKind::NotFound) =>
            {
                break;
            }
            Err(error) if error.kind() == ErrorKind::InvalidState => return Err(error),
            // The subscriber goes on after the error of one message.
            Err(error) => {
                if matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::OutOfMemory) {
                    log.skip(error.endpoint().unwrap_or_else(|| subscriber.endpoint()));
                }
                taken = taken.saturating_add(1);
            }
        }
    }
    let events = subscriber.events().into_iter().filter_map(|event| {
        let (name, _) = event.text.split_once(": ")?;
        match event.kind {
            EventKind::Connected | EventKind::Reconnected => Some((name.to_owned(), true)),
            EventKind::Disconnected | EventKind::Forgotten => Some((name.to_owned(), false)),
            _ => None,
        }
    });
    log.take_events(events.collect());
    if let Some(failed) = log.failed.take() {
        return Err(failed);
    }
    let is_new = log.end() > end;
    feeds.received.fetch_add(taken as u64, Ordering::Relaxed);
    // Its share may be less by now, although nothing came.
    dropped = dropped.saturating_add(log.evict(feeds.share(), &feeds.held));
    feeds.dropped.fetch_add(dropped, Ordering::Relaxed);
    drop(log);
    if is_new {
        feed.wake_all();
    }
    Ok(taken)
}
