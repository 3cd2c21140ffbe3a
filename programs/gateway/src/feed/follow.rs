//! The receiving thread, which never waits for a publisher. One subscriber receives all wanted names; each journal
//! that is read from a number has its own subscriber.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use linkspan::{Error, ErrorKind, EventKind, Message, Result, StartAt, Subscriber, Wait};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;

use super::{Feeds, Store, receiving};

/// How often unwanted names are removed.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// The poll interval for a descriptor that epoll does not accept.
const UNWATCHED: Duration = Duration::from_millis(50);
/// Messages taken before other tasks get a turn.
const TURN: usize = 256;

/// Receives until the gateway ends. It needs its own thread, because library calls may take some time.
pub async fn run(
    feeds: Arc<Feeds>,
    mut readers: mpsc::UnboundedReceiver<Arc<Store>>,
    paused: watch::Receiver<bool>,
    mut stop: watch::Receiver<bool>,
) {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            spawn_local(receive_names(feeds.clone(), paused.clone()));
            loop {
                tokio::select! {
                    store = readers.recv() => {
                        let Some(store) = store else { return };
                        spawn_local(read_journal(feeds.clone(), store, paused.clone()));
                    }
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        })
        .await;
}

/// Returns why a task ended, if it failed or panicked.
pub(super) async fn failure(what: &str, task: impl Future<Output = Result<()>> + 'static) -> Option<Error> {
    match spawn_local(task).await {
        Ok(ended) => ended.err(),
        Err(panic) => Some(defect(what, &panic.to_string())),
    }
}

fn defect(what: &str, why: &str) -> Error {
    let text = format!(
        "the gateway's receiver of {what} ended because of an error in the gateway ({why}); subscribe again"
    );
    Error::new(ErrorKind::Internal, text)
}

/// Receives the wanted names. After a failure, clients get the reason and receiving restarts.
async fn receive_names(feeds: Arc<Feeds>, paused: watch::Receiver<bool>) {
    loop {
        feeds.change.notified().await;
        let task = {
            let (feeds, mut paused) = (feeds.clone(), paused.clone());
            async move {
                let wanted = feeds.clone();
                let wanted = Box::new(move |endpoint: &str| wanted.wants(endpoint));
                let subscriber = Subscriber::selecting("names", wanted, &receiving(feeds.longest)?)?;
                receive(&feeds, &subscriber, None, &mut paused).await
            }
        };
        if let Some(error) = failure("names", task).await {
            feeds.fail_all(&error);
        }
    }
}

async fn read_journal(feeds: Arc<Feeds>, store: Arc<Store>, mut paused: watch::Receiver<bool>) {
    let task = {
        let (feeds, store) = (feeds.clone(), store.clone());
        async move {
            let mut options = receiving(feeds.longest)?;
            options.from = store.from.map(StartAt::Sequence);
            let subscriber = Subscriber::of(&[&store.name.text()], &options)?;
            receive(&feeds, &subscriber, Some(&store), &mut paused).await
        }
    };
    if let Some(error) = failure(&store.text, task).await {
        feeds.fail_store(&store, &error);
    }
}

/// Receives into one store, or into the store of each name, until no client wants it.
async fn receive(
    feeds: &Feeds,
    subscriber: &Subscriber,
    only: Option<&Arc<Store>>,
    paused: &mut watch::Receiver<bool>,
) -> Result<()> {
    let descriptor = watched(subscriber.as_fd());
    loop {
        // During a pause, messages stay in the publisher's ring, or count as missed.
        if paused.wait_for(|paused| !*paused).await.is_err() {
            return Ok(());
        }
        match only {
            None if !feeds.end_unused() => return Ok(()),
            Some(store) if !feeds.state().has(store) => return Ok(()),
            _ => {}
        }
        if only.is_none()
            && feeds.is_changed.swap(false, Ordering::AcqRel)
            && subscriber.select_again().is_err()
        {
            // For example, no descriptors are left.
            feeds.is_changed.store(true, Ordering::Release);
        }
        if take_what_is_there(feeds, subscriber, only)? >= TURN {
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            () = something(descriptor.as_ref()) => {}
            () = feeds.change.notified(), if only.is_none() => {}
        }
    }
}

/// Registers a descriptor with tokio; `None` if the kernel does not accept it.
pub(super) fn watched(descriptor: BorrowedFd<'_>) -> Option<AsyncFd<OwnedFd>> {
    let descriptor = descriptor.try_clone_to_owned().ok()?;
    #[allow(deprecated, reason = "an owned descriptor stays open and the same as long as it lives")]
    AsyncFd::new(descriptor).ok()
}

/// Waits for a message, at most [`LOOK`], after which unwanted names can end. Without registration, polls more often.
pub(super) async fn something(descriptor: Option<&AsyncFd<OwnedFd>>) {
    let Some(descriptor) = descriptor else { return tokio::time::sleep(UNWATCHED).await };
    if let Ok(Ok(mut ready)) = tokio::time::timeout(LOOK, descriptor.readable()).await {
        ready.clear_ready();
    }
}

/// Takes messages and events and notifies the views; returns the number of messages.
fn take_what_is_there(feeds: &Feeds, subscriber: &Subscriber, only: Option<&Arc<Store>>) -> Result<usize> {
    let mut taken: usize = 0;
    let mut new = Vec::new();
    while taken < TURN {
        let next = subscriber.next(Wait::none());
        // After each message, because the library keeps only some events.
        take_events(feeds, subscriber, only, &mut new);
        match next {
            Ok(Some(message)) => {
                let endpoint = message.name().unwrap_or_else(|| subscriber.endpoint());
                if let Some(store) = only.cloned().or_else(|| feeds.store(endpoint)) {
                    take(feeds, &store, &message);
                    note(&store, &mut new);
                }
                taken = taken.saturating_add(1);
            }
            Ok(None) => break,
            Err(error)
                if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Stalled | ErrorKind::NotFound) =>
            {
                break;
            }
            Err(error) if error.kind() == ErrorKind::InvalidState => return Err(error),
            // The subscriber continues after an error of one message.
            Err(error) => {
                let endpoint = error.endpoint().unwrap_or_else(|| subscriber.endpoint());
                let is_skipped = matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::OutOfMemory);
                if is_skipped && let Some(store) = only.cloned().or_else(|| feeds.store(endpoint)) {
                    store.log().skip(feeds.arrival());
                    note(&store, &mut new);
                }
                taken = taken.saturating_add(1);
            }
        }
    }
    feeds.received.fetch_add(taken as u64, Ordering::Relaxed);
    new.iter().for_each(Store::tell);
    Ok(taken)
}

fn note(store: &Arc<Store>, new: &mut Vec<Arc<Store>>) {
    if !store.is_new.swap(true, Ordering::Relaxed) {
        new.push(store.clone());
    }
}

/// Takes a message. A panic ends only this store.
fn take(feeds: &Feeds, store: &Arc<Store>, message: &Message) {
    let taken = catch_unwind(AssertUnwindSafe(|| {
        store.log().take(feeds.arrival(), message, &feeds.held);
        feeds.make_room(store, message.body().len() as u64);
    }));
    if taken.is_err() {
        feeds.fail_store(store, &defect(&store.text, "a message could not be taken"));
    }
}

fn take_events(feeds: &Feeds, subscriber: &Subscriber, only: Option<&Arc<Store>>, new: &mut Vec<Arc<Store>>) {
    for event in subscriber.events() {
        let is_there = match event.kind {
            EventKind::Connected | EventKind::Reconnected => true,
            EventKind::Disconnected | EventKind::Unseen | EventKind::Forgotten => false,
            _ => continue,
        };
        let Some((endpoint, _)) = event.text.split_once(": ") else { continue };
        let known = || match is_there {
            true => feeds.store(endpoint),
            false => feeds.state().known(endpoint),
        };
        if let Some(store) = only.cloned().or_else(known) {
            store.log().take_event(feeds.arrival(), is_there);
            note(&store, new);
        }
    }
}
