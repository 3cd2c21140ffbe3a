//! Lists this machine's names in a thread. Each program is asked, and a silent one takes as long as a hello may.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use linkspan::Result;
use linkspan::registry::{self, Listed};
use linkspan::service::start_thread;

use crate::inbox::Inbox;

#[derive(Default)]
struct State {
    /// Whether a requested listing has not begun.
    is_asked: bool,
    has_ended: bool,
    /// The newest listing that the loop has not taken.
    listed: Option<Result<Vec<Listed>>>,
}

pub struct Lookout(Arc<(Mutex<State>, Condvar)>);

impl Lookout {
    /// Starts the thread, which wakes the loop through the inbox after each listing.
    ///
    /// # Errors
    /// `OutOfMemory` if the thread cannot start.
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

    /// Requests a listing that begins after this call.
    pub fn ask(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap_or_else(PoisonError::into_inner).is_asked = true;
        changed.notify_one();
    }

    /// Returns a finished listing, if any.
    ///
    /// # Errors
    /// Errors of listing the names.
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
