//! A frame that arrives: its bytes are counted before they are read, and it has some time to come to its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::room::{Account, Taken, Turn};

/// Bytes of a frame that each connection may hold in any case, and those that are asked for at once.
const FREE: u64 = 16 << 10;
const STEP: u64 = 64 << 10;
/// What a frame of the connection itself has besides its content.
const AROUND: u64 = 6;

#[derive(Default)]
struct State {
    account: Option<Arc<Account>>,
    /// What has come of the frame, and since when.
    bytes: u64,
    since: Option<Instant>,
    taken: Vec<Taken>,
    room: u64,
    waits: Option<BoxFuture<'static, Turn>>,
    last: Option<OwnedSemaphorePermit>,
}

/// What has arrived of a frame.
#[derive(Default)]
pub struct Arriving {
    state: Mutex<State>,
    begun: Notify,
}

impl Arriving {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts frames for an account from now on.
    pub fn begin(&self, account: &Arc<Account>) {
        self.state().account = Some(account.clone());
    }

    /// Returns since when a frame arrives.
    pub fn since(&self) -> Option<Instant> {
        self.state().since
    }

    /// Waits until a frame begins.
    pub async fn begun(&self) {
        self.begun.notified().await;
    }

    /// Waits until more may be read.
    pub fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        let Some(account) = state.account.clone() else { return Poll::Ready(()) };
        while state.bytes > state.room.saturating_add(FREE) {
            if state.last.is_some() {
                return Poll::Ready(());
            }
            let waits = state.waits.get_or_insert_with(|| Box::pin(account.clone().turn(STEP)));
            let Poll::Ready(turn) = waits.as_mut().poll(context) else { return Poll::Pending };
            state.waits = None;
            let taken = match turn {
                Turn::Room(taken) => taken,
                Turn::Last(taken, permit) => {
                    state.last = Some(permit);
                    taken
                }
            };
            state.taken.push(taken);
            state.room = state.room.saturating_add(STEP);
        }
        Poll::Ready(())
    }

    /// Counts what was read.
    pub fn came(&self, bytes: usize) {
        let mut state = self.state();
        if state.account.is_none() || bytes == 0 {
            return;
        }
        state.bytes = state.bytes.saturating_add(bytes as u64);
        if state.since.is_none() {
            state.since = Some(Instant::now());
            self.begun.notify_one();
        }
    }

    /// Takes out a frame of the connection itself, a ping or pong, which came among the bytes of others.
    pub fn skip(&self, length: usize) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(AROUND.saturating_add(length as u64));
        if state.bytes == 0 {
            state.since = None;
        }
    }

    /// Ends a frame, and returns what holds its bytes.
    pub fn end(&self) -> Vec<Taken> {
        let mut state = self.state();
        (state.bytes, state.room, state.since, state.last, state.waits) = (0, 0, None, None, None);
        std::mem::take(&mut state.taken)
    }
}
