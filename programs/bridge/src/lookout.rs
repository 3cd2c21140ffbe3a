//! Lists the names of this machine in a thread of its own: a listing asks each of their programs, and one that does not
//! answer takes as long as a hello may.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use linkspan::Result;
use linkspan::registry::{self, Listed};
use linkspan::service::start_thread;

use crate::inbox::Inbox;

/// What the loop and the thread share.
#[derive(Default)]
struct State {
    /// Whether a listing is asked for that has not begun.
    is_asked: bool,
    /// Whether the loop has ended.
    has_ended: bool,
    /// The newest listing that the loop has not taken.
    listed: Option<Result<Vec<Listed>>>,
}

/// The thread.
pub struct Lookout(Arc<(Mutex<State>, Condvar)>);

impl Lookout {
    /// Starts the thread, which wakes the loop by the inbox when there is a listing.
    ///
    /// # Errors
    /// `OutOfMemory` if there can be no further thread.
    pub fn start(inbox: Inbox) -> Result<Lookout> {
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let own = shared.clone();
        let run = move || {
            let (state, changed) = &*own;
            let mut locked = state.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                locked = changed
                    .wait_while(locked, |state| !state.is_asked && !state.has_ended)
                    .unwrap_or_else(PoisonError::into_inner);
                if locked.has_ended {
                    return;
                }
                locked.is_asked = false;
                drop(locked);
                let listed = registry::list();
                locked = state.lock().unwrap_or_else(PoisonError::into_inner);
                locked.listed = Some(listed);
                inbox.wake();
            }
        };
        start_thread("linkspan-listing", run)?;
        Ok(Lookout(shared))
    }

    /// Asks for a listing that begins from now on.
    pub fn ask(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap_or_else(PoisonError::into_inner).is_asked = true;
        changed.notify_one();
    }

    /// Returns a listing that is ready.
    ///
    /// # Errors
    /// Those of listing the names.
    pub fn take(&self) -> Result<Option<Vec<Listed>>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).listed.take().transpose()
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap_or_else(PoisonError::into_inner).has_ended = true;
        changed.notify_one();
    }
}
