//! Messages: built with a cursor or received, read by path or with a walk.

// First, because the header lists functions in this order.
pub mod references;

pub mod origin;

mod build;
mod lock;
mod read;
mod spare;
mod state;

use std::mem::offset_of;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};

use linkspan::{Error, ErrorKind, Event, Message, Result, Value};

use self::lock::{Changing, Lock, Reading};
pub(crate) use self::state::State;
use crate::argument::handle;
use crate::array::Aligned;
use crate::life::{Checked, released};
use crate::object::is_another;
use crate::sanitizer;
use crate::tree::Tree;

/// A message: one value, and for a received message its origin.
///
/// Messages are reference-counted: `_new`, `_retain` and every function that returns a message add a reference,
/// `_release` removes one. Texts, bytes and arrays read from it are views, valid until it changes or its last reference
/// is released. Any number of threads may read a message; a thread that changes it must be the only user.
pub struct linkspan_message(Counted);

/// Its reference count has the place of other handles' kinds; see `check`.
#[repr(C)]
struct Counted {
    /// Zero in the shell of a released message.
    references: AtomicUsize,
    state: Lock<State>,
    /// Created by the first read that needs it.
    aligned: OnceLock<Mutex<Aligned>>,
}

/// The kind of any other handle, eight letters, is a larger number.
const MOST_REFERENCES: usize = u32::MAX as usize;

const _: () = assert!(offset_of!(linkspan_message, 0) == 0 && offset_of!(Counted, references) == 0);

impl Checked for linkspan_message {
    fn check(&self) -> Result<()> {
        match self.0.references.load(Ordering::Acquire) {
            0 => Err(released("this message")),
            1..=MOST_REFERENCES => Ok(()),
            _ => Err(is_another("linkspan_message")),
        }
    }
}

pub(crate) struct Reference(NonNull<linkspan_message>);

impl Reference {
    /// Adds a reference; `InvalidState` for a released message.
    ///
    /// # Safety
    /// `message` is NULL or a message, live or recently released.
    pub(crate) unsafe fn to(message: *const linkspan_message) -> Result<Reference> {
        // SAFETY: by contract.
        let there = unsafe { handle(message) }?;
        let mut count = there.0.references.load(Ordering::Relaxed);
        loop {
            // A released message is never revived.
            if count == 0 {
                return Err(released("this message"));
            }
            let Some(more) = count.checked_add(1).filter(|more| *more <= MOST_REFERENCES) else {
                let text =
                    format!("this message has {count} references, and no more are possible: release some");
                return Err(Error::new(ErrorKind::TooLarge, text));
            };
            match there.0.references.compare_exchange_weak(count, more, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok(Reference(NonNull::from(there))),
                Err(now) => count = now,
            }
        }
    }

    /// Releases a reference of the caller; `InvalidState` if none was left.
    ///
    /// # Safety
    /// As for [`Reference::to`], and one of the message's references belongs to the caller.
    unsafe fn give_back(message: *const linkspan_message) -> Result<()> {
        // SAFETY: by contract.
        let there = unsafe { handle(message) }?;
        let less = |count: usize| count.checked_sub(1);
        sanitizer::given_back();
        match there.0.references.fetch_update(Ordering::Release, Ordering::Relaxed, less) {
            Err(_) => return Err(released("this message")),
            Ok(1) => fence(Ordering::Acquire),
            Ok(_) => return Ok(()),
        }
        // After the last reference the content is dropped now, and the shell later. Stale uses read only the count.
        let message = message.cast_mut();
        // SAFETY: no other thread has a reference.
        let (state, aligned) = unsafe { (&mut (*message).0.state, &mut (*message).0.aligned) };
        drop(aligned.take());
        // SAFETY: it is not NULL.
        let shell = unsafe { NonNull::new_unchecked(message) };
        if let Some(oldest) = spare::keep(shell.cast(), state.get_mut()) {
            // SAFETY: it came from a box, without content or references.
            drop(unsafe { Box::from_raw(oldest.cast::<linkspan_message>().as_ptr()) });
        }
        Ok(())
    }
}

impl Deref for Reference {
    type Target = linkspan_message;

    fn deref(&self) -> &linkspan_message {
        // SAFETY: this reference keeps the message alive.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: this reference was counted.
        let given = unsafe { Reference::give_back(self.0.as_ptr()) };
        debug_assert!(given.is_ok(), "{given:?}");
    }
}

impl linkspan_message {
    /// Creates an empty message in the memory of the last released one.
    fn empty() -> *mut linkspan_message {
        linkspan_message::give(spare::state())
    }

    pub(crate) fn of(value: Value) -> *mut linkspan_message {
        linkspan_message::give(State::Tree(Tree::of(value)))
    }

    pub(crate) fn arrived(message: Message) -> *mut linkspan_message {
        linkspan_message::give(State::Received(message))
    }

    pub(crate) fn events(events: Vec<Event>) -> *mut linkspan_message {
        let map = |event: Event| {
            Value::map([
                ("kind", Value::from(event.kind.name())),
                ("at", Value::Timestamp(event.at)),
                ("missed", Value::from(event.missed)),
                ("text", Value::from(event.text)),
            ])
        };
        linkspan_message::of(Value::Array(events.into_iter().map(map).collect()))
    }

    pub(crate) fn give(state: State) -> *mut linkspan_message {
        let message = linkspan_message(Counted {
            references: AtomicUsize::new(1),
            state: Lock::new(state),
            aligned: OnceLock::new(),
        });
        let Some(shell) = spare::shell() else { return Box::into_raw(Box::new(message)) };
        let place = shell.cast::<linkspan_message>().as_ptr();
        // SAFETY: it came from a box, and its content is gone.
        unsafe { place.write(message) };
        place
    }

    fn read_state(&self) -> Reading<'_, State> {
        let state = self.0.state.read();
        match &*state {
            State::Tree(tree) if tree.has_stale() => {
                drop(state);
                self.trim();
                self.0.state.read()
            }
            _ => state,
        }
    }

    /// Removes stale keys of the previous value. Readers do this first, so none holds the lock.
    #[cold]
    fn trim(&self) {
        if let State::Tree(tree) = &mut *self.0.state.change() {
            tree.trim();
        }
    }

    /// Locks the content for a change; `InvalidState` while another thread reads or changes it.
    pub(crate) fn change(&self) -> Result<Changing<'_, State>> {
        self.0.state.try_change().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidState,
                "another thread is using this message; one that changes it must be alone",
            )
        })
    }

    pub(crate) fn aligned(&self) -> std::sync::MutexGuard<'_, Aligned> {
        self.0.aligned.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn forget_aligned(&self) {
        #[cold]
        fn clear(aligned: &Mutex<Aligned>) {
            aligned.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        if let Some(aligned) = self.0.aligned.get() {
            clear(aligned);
        }
    }
}
