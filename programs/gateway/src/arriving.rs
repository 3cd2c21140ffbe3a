//! An arriving frame: its bytes are counted before they are read, and its arrival has a time limit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::room::{Account, Taken, Turn};

/// Bytes of a frame that every connection may hold, and the size of each further request.
const FREE: u64 = 16 << 10;
const STEP: u64 = 64 << 10;
/// Overhead of a control frame, in bytes.
const AROUND: u64 = 6;

#[derive(Default)]
struct State {
    account: Option<Arc<Account>>,
    /// Bytes of the frame so far, and when it began.
    bytes: u64,
    since: Option<Instant>,
    taken: Vec<Taken>,
    room: u64,
    waits: Option<BoxFuture<'static, Turn>>,
    last: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
pub struct Arriving {
    state: Mutex<State>,
    begun: Notify,
}

impl Arriving {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begin(&self, account: &Arc<Account>) {
        self.state().account = Some(account.clone());
    }

    pub fn since(&self) -> Option<Instant> {
        self.state().since
    }

    pub async fn begun(&self) {
        self.begun.notified().await;
    }

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

    /// Subtracts a ping or pong that arrived between other bytes.
    pub fn skip(&self, length: usize) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(AROUND.saturating_add(length as u64));
        if state.bytes == 0 {
            state.since = None;
        }
    }

    /// Ends the frame and returns the counted memory of its bytes.
    pub fn end(&self) -> Vec<Taken> {
        let mut state = self.state();
        (state.bytes, state.room, state.since, state.last, state.waits) = (0, 0, None, None, None);
        std::mem::take(&mut state.taken)
    }
}
