//! A value that one call of the program at a time claims, and that the library borrows while the
//! call does not use it.
//!
//! One word has the state. Claim and value are separate: a call of the program (`send`) claims the
//! cell for its whole duration, and needs the value only while it works; while the call sleeps, the
//! library's own thread may borrow the value to send an acknowledgement. A call without contention
//! takes both in one compare-exchange and releases both in another. A second thread, a waiter, or a
//! descriptor that has to signal the end of a call sets a bit of the word: then the exchange fails,
//! and the slow path reads the list of waiters.
//!
//! A call that neither waits nor lets another thread in needs the lock of what the value is used
//! with anyway, its *gate*; [`ClaimCell::enter`] then takes that lock alone. It uses the value if
//! the word says that no thread has or awaits the cell. Each thread that has set `TAKEN` passes
//! through the gate once before it uses the value, so a call that entered before has left, and one
//! that enters later sees the word. No thread may take or borrow the value while it holds the gate.
//!
//! A call that leaves the gate and comes back to it, to send a request and to take its reply, *holds* the cell in between
//! (`held`): it writes its name where only the holder of the gate writes, so that it needs no exchange. A thread that has
//! set `TAKEN` or its own name looks there while it passes through the gate, and withdraws if a call holds the cell.
//!
//! All deciding accesses of the word are sequentially consistent: a waiter sets its bit and then
//! tests the word, the owner clears the word and then tests the bit, so one of the two must see the
//! other's change. Waiters enter and leave the list under its mutex. Claims are granted in order of
//! arrival; the value goes to any waiter.
//!
//! `loom_tests` has the model of it, and mutants that each lack one step.

mod guards;
mod held;
mod sync;

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};

use self::sync::{AtomicU64, Step, Thread, UnsafeCell, left_out, place, this_thread};
use super::eventfd::EventFd;
use crate::deadline::Waiting;
use crate::error::Result;

pub use self::guards::{Borrowed, Claim, Entered, Guard};
pub use self::held::Held;
#[cfg(test)]
pub use self::sync::counted;
pub use self::sync::{Mutex, MutexGuard, lock, note_locked};

/// A thread has the value.
const TAKEN: u64 = 1;
/// Threads wait for the claim.
const IN_LINE: u64 = 2;
/// Threads wait for the value.
const AWAITED: u64 = 4;
/// The end of the call that has the claim is to be signalled over the descriptor.
const SIGNAL_END: u64 = 8;
/// The remaining bits name the thread that has the claim; 0 for none.
const OWNER: u64 = !15;

/// The value, and the word with the state. `G` is what the gate protects.
pub struct ClaimCell<T, G> {
    /// The bits above and the owner.
    word: AtomicU64,
    /// The thread whose call holds the cell; 0 for none. Written under the gate, where it is exact.
    held: AtomicU64,
    value: UnsafeCell<T>,
    /// The lock that a short call takes in place of a claim.
    gate: Arc<Mutex<G>>,
    /// The waiting threads.
    line: Mutex<Line>,
    /// Signals the end of a call; made when a thread first waits for it.
    ended: OnceLock<EventFd>,
}

/// The waiting threads, in order of arrival.
#[derive(Default)]
struct Line {
    /// The number of the last waiter.
    next: u64,
    /// Threads that wait for the claim.
    claims: VecDeque<Waiter>,
    /// Threads that wait for the value.
    values: Vec<Waiter>,
}

/// A parked thread.
struct Waiter {
    id: u64,
    thread: Thread,
}

// SAFETY: the value is reached through guards alone. `TAKEN` is set by one of them at a time, and the gate is
// held by one at a time; the first has passed through the gate since it set `TAKEN`, and the second has found
// it clear. A call that holds the cell has written that under the gate, where both have looked. So sharing the
// cell moves the value between threads, which `T: Send` allows, and never shares it.
// The gate is a lock, and as such shared.
unsafe impl<T: Send, G: Send> Sync for ClaimCell<T, G> {}

/// This order, or none in a mutant.
#[inline(always)]
fn ordered(step: Step) -> Ordering {
    if left_out(step) { Ordering::Relaxed } else { Ordering::SeqCst }
}

impl<T, G> ClaimCell<T, G> {
    /// Returns a cell that no thread has, with this gate.
    pub fn new(value: T, gate: Arc<Mutex<G>>) -> ClaimCell<T, G> {
        ClaimCell {
            word: AtomicU64::new(0),
            held: AtomicU64::new(0),
            value: UnsafeCell::new(value),
            gate,
            line: Mutex::new(Line::default()),
            ended: OnceLock::new(),
        }
    }

    /// Returns value and gate for a call that neither waits nor takes anything else of this
    /// channel; `None` where another thread has or awaits the cell. Waits for the gate alone.
    #[inline]
    pub fn enter(&self) -> Option<Entered<'_, T, G>> {
        let gate = sync::lock(&self.gate);
        self.is_free().then(|| Entered { gate, cell: self })
    }

    /// Returns whether no thread has, awaits or holds the cell. The caller has the gate.
    #[inline]
    fn is_free(&self) -> bool {
        (self.word.load(Ordering::Acquire) == 0 || left_out(Step::SeeTaken))
            && (!self.is_held() || left_out(Step::SeeHeld))
    }

    /// Returns whether a call holds the cell. Exact for the holder of the gate; another thread may get what was true
    /// before.
    #[inline]
    fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed) != 0
    }

    /// Waits until the calls that entered before `TAKEN` was set have left: see the head of this file. Returns whether
    /// the caller may use what it has taken: no call holds the cell.
    #[inline]
    fn pass_gate(&self) -> bool {
        if left_out(Step::PassGate) {
            return true;
        }
        let _gate = sync::lock(&self.gate);
        !self.is_held() || left_out(Step::SeeHeld)
    }

    /// Takes claim and value where no thread has either and none waits; otherwise `None`, and
    /// [`ClaimCell::try_claim`] decides.
    #[inline]
    pub fn try_take(&self) -> Option<Guard<'_, T, G>> {
        if self.is_held() {
            return None;
        }
        let taken = self.exchange()?;
        // Else dropping it wakes those that have found it taken.
        self.pass_gate().then_some(taken)
    }

    /// [`ClaimCell::try_take`] without the gate, which the caller passes through.
    #[inline]
    fn exchange(&self) -> Option<Guard<'_, T, G>> {
        note_locked();
        let here = this_thread();
        let is_free =
            self.word.compare_exchange(0, here | TAKEN, ordered(Step::Acquire), Ordering::Relaxed).is_ok();
        // Made only where the exchange succeeded, because dropping it releases the claim.
        is_free.then(|| Guard { cell: self, here, no_send: PhantomData })
    }

    /// Takes the claim alone, where no thread has it and none waits for it. The library may still
    /// have the value.
    pub fn try_claim(&self) -> Option<Claim<'_, T, G>> {
        let claim = self.claim_unless(OWNER | IN_LINE)?;
        // Else dropping it wakes a thread that has entered the line since.
        self.pass_gate().then_some(claim)
    }

    /// Takes the claim unless one of these bits is set. The caller passes through the gate then.
    fn claim_unless(&self, bits: u64) -> Option<Claim<'_, T, G>> {
        let here = this_thread();
        note_locked();
        let join = |word: u64| (word & bits == 0).then_some(word | here);
        self.word
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, join)
            .ok()
            .map(|_| Claim { cell: self, no_send: PhantomData })
    }

    /// [`ClaimCell::try_claim`] for the first thread in line, which has locked the list.
    fn claim_as_first(&self) -> Option<Claim<'_, T, G>> {
        let claim = self.claim_unless(OWNER)?;
        if self.pass_gate() {
            return Some(claim);
        }
        // Not by its drop, which would lock the list: the others in line wait for this thread, and the call that holds
        // the cell sees the bit of the line, which was set before this thread passed through the gate.
        std::mem::forget(claim);
        if self.word.fetch_and(!(OWNER | SIGNAL_END), Ordering::SeqCst) & SIGNAL_END != 0 {
            self.signal_end();
        }
        None
    }

    /// Takes the claim, behind earlier threads. Blocks.
    ///
    /// # Errors
    /// That of `waiting`; then the claim was not taken.
    #[cold]
    pub fn claim_in_line(&self, waiting: &mut Waiting<'_>) -> Result<Claim<'_, T, G>> {
        self.claim_in_line_by(|| waiting.park())
    }

    /// As [`ClaimCell::claim_in_line`]; sleeps by `park`, until it is woken or has to give up.
    fn claim_in_line_by(&self, mut park: impl FnMut() -> Result<()>) -> Result<Claim<'_, T, G>> {
        let id = {
            let mut line = self.line();
            let id = line.enter();
            line.claims.push_back(Waiter { id, thread: sync::current() });
            // A call that ends before this leaves the claim free, which the loop finds; one that
            // ends after it sees the bit.
            if !left_out(Step::ClaimsBit) {
                self.word.fetch_or(IN_LINE, Ordering::SeqCst);
            }
            id
        };
        if left_out(Step::LastLook) {
            park()?;
        }
        loop {
            let mut line = self.line();
            if line.claims.front().is_some_and(|first| first.id == id)
                && let Some(claim) = self.claim_as_first()
            {
                self.leave_line(&mut line, id);
                return Ok(claim);
            }
            drop(line);
            if let Err(error) = park() {
                let mut line = self.line();
                self.leave_line(&mut line, id);
                // This thread may have been woken already, so pass the wake-up on.
                if !left_out(Step::PassOn) {
                    line.wake_first();
                }
                return Err(error);
            }
        }
    }

    /// Removes a waiter, and clears the bit with the last.
    fn leave_line(&self, line: &mut Line, id: u64) {
        line.claims.retain(|waiter| waiter.id != id);
        if line.claims.is_empty() {
            self.word.fetch_and(!IN_LINE, Ordering::SeqCst);
        }
    }

    /// Takes the value where no thread has it at this instant, whichever thread has the claim.
    #[inline]
    pub fn try_borrow(&self) -> Option<Borrowed<'_, T, G>> {
        let borrowed = self.take_value()?;
        // Else dropping it wakes a thread that has found it taken.
        self.pass_gate().then_some(borrowed)
    }

    /// Sets `TAKEN`. The caller passes through the gate then.
    #[inline]
    fn take_value(&self) -> Option<Borrowed<'_, T, G>> {
        note_locked();
        let take = |word: u64| (word & TAKEN == 0).then_some(word | TAKEN);
        self.word.fetch_update(ordered(Step::Acquire), ordered(Step::Acquire), take).ok()?;
        Some(Borrowed { cell: self, no_send: PhantomData })
    }

    /// [`ClaimCell::try_borrow`] for a waiter that has locked the list.
    fn borrow_as_waiter(&self) -> Option<Borrowed<'_, T, G>> {
        let borrowed = self.take_value()?;
        if self.pass_gate() {
            return Some(borrowed);
        }
        // Not by its drop, which would lock the list: no other waiter can have looked meanwhile, and the call that holds
        // the cell sees the bit of the waiters.
        std::mem::forget(borrowed);
        self.word.fetch_sub(TAKEN, Ordering::SeqCst);
        None
    }

    /// Takes the value once no other thread has it. Blocks, for as long as one short frame takes to
    /// send.
    #[inline]
    pub fn borrow(&self) -> Borrowed<'_, T, G> {
        self.try_borrow().unwrap_or_else(|| self.await_value())
    }

    /// The slow path of [`ClaimCell::borrow`].
    #[cold]
    fn await_value(&self) -> Borrowed<'_, T, G> {
        /// The library has the value for the time of one short frame, which is less than parking
        /// takes.
        const SPINS: u32 = if cfg!(loom) { 0 } else { 100 };
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if let Some(value) = self.try_borrow() {
                return value;
            }
        }
        let id = {
            let mut line = self.line();
            let id = line.enter();
            line.values.push(Waiter { id, thread: sync::current() });
            if !left_out(Step::ValuesBit) {
                self.word.fetch_or(AWAITED, Ordering::SeqCst);
            }
            id
        };
        if left_out(Step::LastLook) {
            sync::park();
        }
        loop {
            {
                let mut line = self.line();
                if let Some(value) = self.borrow_as_waiter() {
                    line.values.retain(|waiter| waiter.id != id);
                    if line.values.is_empty() {
                        self.word.fetch_and(!AWAITED, Ordering::SeqCst);
                    }
                    return value;
                }
            }
            sync::park();
        }
    }

    /// Returns whether a call has the claim. A thread that only waits for it does not count.
    #[inline]
    pub fn is_claimed(&self) -> bool {
        self.word.load(Ordering::SeqCst) & OWNER != 0 || self.is_held()
    }

    /// Returns whether a call of this very thread has the claim, whose callback or signal handler
    /// runs now.
    #[inline]
    pub fn is_claimed_here(&self) -> bool {
        let here = this_thread();
        self.word.load(Ordering::SeqCst) & OWNER == here || self.held.load(Ordering::Relaxed) == here
    }

    /// Returns a descriptor that is readable once the call that has the claim now has ended. If no
    /// call has the claim after this, it may have ended before, so the caller tests again.
    pub fn await_end(&self) -> Result<&EventFd> {
        let ended = match self.ended.get() {
            Some(ended) => ended,
            None => {
                let made = EventFd::new()?;
                self.ended.get_or_init(|| made)
            }
        };
        if !left_out(Step::EndsBit) {
            self.word.fetch_or(SIGNAL_END, Ordering::SeqCst);
        }
        // A call that holds the cell until after this sees the bit; one that has ended before is not seen by the test.
        self.pass_gate();
        Ok(ended)
    }

    /// Returns the value of a cell that is not shared.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: the cell is borrowed alone, so no guard of it exists.
        unsafe { &mut *place(&self.value) }
    }

    /// Signals the end of a call to those that wait for it.
    fn signal_end(&self) {
        if let Some(ended) = self.ended.get() {
            ended.wake();
        }
    }

    /// Locks the list.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the threads that wait for the released claim or value. `before` is the word at that
    /// moment, `of_claim` whether the claim was released.
    #[cold]
    fn wake_waiters(&self, before: u64, of_claim: bool) {
        if before & SIGNAL_END != 0 && of_claim {
            self.signal_end();
        }
        if before & (IN_LINE | AWAITED) != 0 {
            let line = self.line();
            if before & AWAITED != 0 {
                line.values.iter().for_each(|waiter| waiter.thread.unpark());
            }
            if of_claim {
                line.wake_first();
            }
        }
    }
}

impl Line {
    /// Returns a number for a new waiter.
    fn enter(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// Wakes the first thread in line.
    fn wake_first(&self) {
        if let Some(first) = self.claims.front() {
            first.thread.unpark();
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
