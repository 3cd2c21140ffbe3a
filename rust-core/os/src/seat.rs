//! A seat: a value with a permit, such as one half of a link that calls of several threads use in turn.
//!
//! A call of the program (`send`) has the *permit* for its whole duration, and needs the *value* only while it works.
//! While the call sleeps, a thread of the library may borrow the value to send an acknowledgement.
//!
//! One lock, the *gate*, protects the state of the seat. It is the lock of the session that the value belongs to.
//!
//! A call that does not sleep uses the value at the gate ([`Seat::enter`]). A call that must leave the gate takes
//! permit and value along as a [`Lease`]. A thread that finds the seat taken enters the line before it leaves the gate,
//! so the call that returns the seat finds the thread.
//!
//! While a thread holds the gate it uses only [`SeatGuard`] and [`LockedLease`]. Any other method deadlocks.
//!
//! Permits are granted in order of arrival. The value goes to any waiter. Others pass a thread in line while it runs a
//! callback of the program. [`Lease::step_aside`] comes back to the front of the line.
//!
//! `loom_tests` has mutants that each lack one step.

mod guards;
mod sync;

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use self::sync::{AtomicU64, ProtocolStep, Thread, UnsafeCell, left_out, place};
use super::eventfd::EventFd;
use super::fork;
use crate::deadline::Waiting;
use crate::error::Result;

pub use self::guards::{Lease, LockedLease, Permit, SeatGuard, ValueGuard};
pub use self::sync::{GateGuard, Mutex, counted, lock, note_locked, this_thread};

/// A thread has the value, outside the gate.
const TAKEN: u64 = 1;
/// Threads wait for the permit.
const IN_LINE: u64 = 2;
/// Threads wait for the value.
const AWAITED: u64 = 4;
/// A thread waits for the descriptor `ended`.
const SIGNAL_END: u64 = 8;
/// The thread with the permit; 0 for none.
const OWNER: u64 = !15;
/// In the result of [`Seat::give_back`]: work was left to the thread that gave the value back.
const LEFT: u64 = TAKEN;

/// The value and its holders. The gate protects a `G`.
pub struct Seat<T, G> {
    /// The bits above and the owner.
    ///
    /// Only the holder of the gate writes them, so relaxed order suffices. Without the gate, other readings than a
    /// thread's own name are hints.
    word: AtomicU64,
    value: UnsafeCell<T>,
    /// Only the holder of the gate uses it.
    line: UnsafeCell<Line>,
    gate: Arc<Mutex<G>>,
    /// Created when a thread first waits for a call's end.
    ended: OnceLock<EventFd>,
    left: OnceLock<Left<G>>,
    /// In a forked child the parent's threads may keep the gate locked.
    generation: u64,
}

/// Work of a thread after it has given the value back.
struct Left<G> {
    is_left: fn(&G) -> bool,
    run: Box<dyn Fn() + Send + Sync>,
}

/// The waiting threads, in order of arrival.
#[derive(Default)]
struct Line {
    last: u64,
    acquiring: VecDeque<Waiter>,
    values: Vec<Waiter>,
}

struct Waiter {
    id: u64,
    thread: Thread,
    /// Whether it runs a callback: others pass it.
    is_away: bool,
    /// The thread that has stepped aside ([`this_thread`]), else 0.
    stepped_aside: u64,
}

/// How a thread in line waits.
pub trait InLine {
    /// Sleeps until unparked, or until something else is due. Returns whether a callback is due.
    ///
    /// # Errors
    /// The reason to give up.
    fn park(&mut self) -> Result<bool>;

    /// Runs the callback.
    ///
    /// # Errors
    /// The reason to give up.
    fn call_back(&mut self) -> Result<()>;
}

impl InLine for Waiting<'_> {
    fn park(&mut self) -> Result<bool> {
        self.park_until_due()
    }

    fn call_back(&mut self) -> Result<()> {
        self.run_deferred()
    }
}

// SAFETY: only the holder of the gate uses the line. While `TAKEN` is set, one thread uses the value, and clears
// `TAKEN` at the gate; otherwise the holder of the gate uses it. The value therefore moves between threads (`T: Send`)
// and is never shared. The gate is a lock.
unsafe impl<T: Send, G: Send> Sync for Seat<T, G> {}

impl<T, G> Seat<T, G> {
    /// Returns a free seat with this gate.
    pub fn new(value: T, gate: Arc<Mutex<G>>) -> Seat<T, G> {
        Seat {
            word: AtomicU64::new(0),
            value: UnsafeCell::new(value),
            line: UnsafeCell::new(Line::default()),
            gate,
            ended: OnceLock::new(),
            left: OnceLock::new(),
            generation: fork::generation(),
        }
    }

    /// Sets the work that threads leave to the holder of the value, once, on a new seat.
    ///
    /// A thread that gives the value back evaluates `is_left` at the gate, and if true calls `run` outside the gate.
    pub fn on_left(&self, is_left: fn(&G) -> bool, run: impl Fn() + Send + Sync + 'static) {
        let _ = self.left.set(Left { is_left, run: Box::new(run) });
    }

    /// Returns value and gate, for a call that does not sleep.
    ///
    /// `None` if another thread has or awaits the seat.
    pub fn enter(&self) -> Option<SeatGuard<'_, T, G>> {
        let gate = sync::lock(&self.gate);
        self.is_free().then(|| SeatGuard { gate, seat: self })
    }

    fn is_free(&self) -> bool {
        self.seems_free() || left_out(ProtocolStep::SeeTaken)
    }

    /// Notes this thread's permit. The caller has the gate, and the permit is free.
    fn grant(&self) -> Permit<'_, T, G> {
        self.word.store(self.word.load(Relaxed) | this_thread(), Relaxed);
        Permit { seat: self, no_send: PhantomData }
    }

    /// Notes that this thread has the value. The caller has the gate, and the value is free.
    fn take_value(&self) -> ValueGuard<'_, T, G> {
        self.word.store(self.word.load(Relaxed) | TAKEN, Relaxed);
        ValueGuard { seat: self, no_send: PhantomData }
    }

    /// The caller has the gate, and the seat is free.
    fn lease(&self) -> Lease<'_, T, G> {
        self.word.store(this_thread() | TAKEN, Relaxed);
        Lease { seat: self, no_send: PhantomData }
    }

    /// Takes permit and value of a free seat. After `None` the permit may still be free.
    #[inline]
    pub fn try_take(&self) -> Option<Lease<'_, T, G>> {
        self.enter().map(|entered| entered.hold())
    }

    /// Takes the permit, if no thread has or awaits it. The library may have the value.
    pub fn try_acquire(&self) -> Option<Permit<'_, T, G>> {
        let _gate = sync::lock(&self.gate);
        (self.word.load(Relaxed) & (OWNER | IN_LINE) == 0).then(|| self.grant())
    }

    /// [`Seat::try_acquire`] that calls `look` at the gate with the permit's state (true: free).
    pub fn try_acquire_with<R>(&self, look: impl FnOnce(&mut G, bool) -> R) -> (Option<Permit<'_, T, G>>, R) {
        let mut gate = sync::lock(&self.gate);
        let is_free = self.word.load(Relaxed) & (OWNER | IN_LINE) == 0;
        let looked = look(&mut gate, is_free);
        (is_free.then(|| self.grant()), looked)
    }

    /// Takes the permit in order of arrival. Blocks.
    ///
    /// # Errors
    /// The error of `waiting`. The permit is then not taken.
    #[cold]
    pub fn acquire(&self, waiting: &mut Waiting<'_>) -> Result<Permit<'_, T, G>> {
        loop {
            if let Some(permit) = self.acquire_by(waiting, |_| false)? {
                return Ok(permit);
            }
        }
    }

    /// [`Seat::acquire`] that returns `None` as soon as `is_done`, called at the gate, is true.
    ///
    /// The thread that makes `is_done` true unparks this thread.
    ///
    /// # Errors
    /// The error of `waiting`. The permit is then not taken, and `is_done` is false.
    #[cold]
    pub fn acquire_unless(
        &self,
        waiting: &mut Waiting<'_>,
        is_done: impl FnMut(&mut G) -> bool,
    ) -> Result<Option<Permit<'_, T, G>>> {
        self.acquire_by(waiting, is_done)
    }

    /// As [`Seat::acquire_unless`]; sleeps in `wait` until it is woken or gives up.
    fn acquire_by(
        &self,
        wait: &mut impl InLine,
        mut is_done: impl FnMut(&mut G) -> bool,
    ) -> Result<Option<Permit<'_, T, G>>> {
        let mut gate = sync::lock(&self.gate);
        if is_done(&mut gate) {
            return Ok(None);
        }
        if self.word.load(Relaxed) & OWNER == 0 && self.line(&mut gate).first().is_none() {
            return Ok(Some(self.grant()));
        }
        if left_out(ProtocolStep::OneLock) {
            drop(gate);
            gate = sync::lock(&self.gate);
        }
        let waiter = self.line(&mut gate).waiter();
        let id = waiter.id;
        self.line(&mut gate).acquiring.push_back(waiter);
        self.word.store(self.word.load(Relaxed) | IN_LINE, Relaxed);
        drop(gate);
        self.await_permit(id, wait.park(), wait, is_done)
    }

    /// Waits in line as this number, whose last sleep had this result.
    fn await_permit(
        &self,
        id: u64,
        mut woken: Result<bool>,
        wait: &mut impl InLine,
        mut is_done: impl FnMut(&mut G) -> bool,
    ) -> Result<Option<Permit<'_, T, G>>> {
        loop {
            let mut gate = sync::lock(&self.gate);
            self.line(&mut gate).set_away(id, false);
            let is_done = is_done(&mut gate);
            let is_first = self.line(&mut gate).first().is_some_and(|first| first.id == id);
            let is_granted = woken.is_ok() && !is_done && is_first && self.word.load(Relaxed) & OWNER == 0;
            match woken {
                Ok(is_due) if !is_done && !is_granted => {
                    self.line(&mut gate).set_away(id, is_due);
                    drop(gate);
                    woken = if is_due { wait.call_back().map(|()| false) } else { wait.park() };
                    continue;
                }
                _ => {}
            }
            let acquiring = &mut self.line(&mut gate).acquiring;
            acquiring.retain(|waiter| waiter.id != id);
            if acquiring.is_empty() {
                self.word.store(self.word.load(Relaxed) & !IN_LINE, Relaxed);
            }
            if is_granted {
                return Ok(Some(self.grant()));
            }
            // This thread may have consumed the first one's wake-up, so it passes it on. A thread with the permit would
            // wake the first one later.
            if self.word.load(Relaxed) & OWNER == 0 && !left_out(ProtocolStep::PassOn) {
                self.line(&mut gate).wake_first();
            }
            return if is_done { Ok(None) } else { woken.map(|_| None) };
        }
    }

    /// Takes the value if it is free, whoever has the permit.
    pub fn try_borrow(&self) -> Option<ValueGuard<'_, T, G>> {
        self.try_borrow_or(|_| {})
    }

    /// [`Seat::try_borrow`]; if the value is taken, `leave` notes work for [`Seat::on_left`] at the gate.
    #[inline]
    pub fn try_borrow_or(&self, leave: impl FnOnce(&mut G)) -> Option<ValueGuard<'_, T, G>> {
        let mut gate = sync::lock(&self.gate);
        if self.word.load(Relaxed) & TAKEN == 0 {
            return Some(self.take_value());
        }
        leave(&mut gate);
        None
    }

    /// Takes the value; blocks while the library uses it.
    #[inline]
    pub fn borrow(&self) -> ValueGuard<'_, T, G> {
        self.try_borrow().unwrap_or_else(|| self.await_value())
    }

    #[cold]
    fn await_value(&self) -> ValueGuard<'_, T, G> {
        /// Parking takes longer than the library's use.
        const SPINS: u32 = if cfg!(loom) { 0 } else { 100 };
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if self.word.load(Relaxed) & TAKEN == 0
                && let Some(value) = self.try_borrow()
            {
                return value;
            }
        }
        let mut gate = sync::lock(&self.gate);
        let waiter = self.line(&mut gate).waiter();
        let id = waiter.id;
        let mut waiter = Some(waiter);
        while self.word.load(Relaxed) & TAKEN != 0 {
            if left_out(ProtocolStep::OneLock) {
                drop(gate);
                gate = sync::lock(&self.gate);
            }
            self.line(&mut gate).values.extend(waiter.take());
            self.word.store(self.word.load(Relaxed) | AWAITED, Relaxed);
            drop(gate);
            crate::sleeping::assert_driven();
            sync::park();
            gate = sync::lock(&self.gate);
        }
        let values = &mut self.line(&mut gate).values;
        values.retain(|waiter| waiter.id != id);
        if values.is_empty() {
            self.word.store(self.word.load(Relaxed) & !AWAITED, Relaxed);
        }
        self.take_value()
    }

    /// Returns whether a call has the permit, when this thread was last at the gate, or later.
    pub fn is_acquired(&self) -> bool {
        self.word.load(Relaxed) & OWNER != 0
    }

    /// Returns whether no thread seems to have or await the seat.
    pub fn seems_free(&self) -> bool {
        self.word.load(Relaxed) & !SIGNAL_END == 0
    }

    /// Returns whether a thread waits for the permit.
    pub fn is_awaited(&self) -> bool {
        self.word.load(Relaxed) & IN_LINE != 0
    }

    /// Returns whether this thread has the permit or stepped aside: its callback or signal handler runs.
    pub fn is_acquired_here(&self) -> bool {
        let word = self.word.load(Relaxed);
        word & OWNER == this_thread()
            || word & IN_LINE != 0 && self.is_aside_here(&mut sync::lock(&self.gate))
    }

    /// [`Seat::is_acquired_here`] for the holder of the gate.
    pub fn is_acquired_by_holder(&self, gate: &mut GateGuard<'_, G>) -> bool {
        self.word.load(Relaxed) & OWNER == this_thread() || self.is_aside_here(gate)
    }

    fn is_aside_here(&self, gate: &mut GateGuard<'_, G>) -> bool {
        self.line(gate).acquiring.iter().any(|waiter| waiter.stepped_aside == this_thread())
    }

    /// Returns a descriptor that becomes readable when the current call with the permit ends.
    ///
    /// The call may have ended, so the caller tests the permit again.
    pub fn await_end(&self) -> Result<&EventFd> {
        let ended = match self.ended.get() {
            Some(ended) => ended,
            None => {
                let made = EventFd::new()?;
                self.ended.get_or_init(|| made)
            }
        };
        let _gate = sync::lock(&self.gate);
        if !left_out(ProtocolStep::EndsBit) {
            self.word.store(self.word.load(Relaxed) | SIGNAL_END, Relaxed);
        }
        Ok(ended)
    }

    /// Returns the value of a seat that is not shared.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: the exclusive borrow shows that no guard exists.
        unsafe { &mut *place(&self.value) }
    }

    fn line<'a>(&'a self, _gate: &'a mut GateGuard<'_, G>) -> &'a mut Line {
        // SAFETY: the exclusively borrowed guard shows that the caller holds this seat's gate.
        unsafe { &mut *place(&self.line) }
    }

    /// Gives back these bits.
    ///
    /// The caller has the gate, and passes the result to [`Seat::wake`] after leaving it.
    fn give_back(&self, gate: &G, what: u64) -> u64 {
        let word = self.word.load(Relaxed);
        let ends = if what & OWNER != 0 { what | SIGNAL_END } else { what };
        self.word.store(word & !ends, Relaxed);
        let waits = (if what & OWNER != 0 { IN_LINE | SIGNAL_END } else { 0 })
            | (if what & TAKEN != 0 { AWAITED } else { 0 });
        let is_left = what & TAKEN != 0 && self.left.get().is_some_and(|left| (left.is_left)(gate));
        word & waits | if is_left && !left_out(ProtocolStep::LookLeft) { LEFT } else { 0 }
    }

    /// Gives these bits back, and wakes the waiters except those of `but`.
    ///
    /// A forked child lacks the parent's threads.
    fn release(&self, what: u64, but: u64) {
        if fork::generation() != self.generation {
            return;
        }
        let gate = sync::lock(&self.gate);
        let waits = self.give_back(&gate, what);
        drop(gate);
        self.wake(waits & !but);
    }

    fn wake(&self, waits: u64) {
        if waits != 0 {
            self.wake_waiters(waits);
        }
    }

    #[cold]
    fn wake_waiters(&self, waits: u64) {
        if waits & SIGNAL_END != 0
            && let Some(ended) = self.ended.get()
        {
            ended.wake();
        }
        if waits & (IN_LINE | AWAITED) != 0 && !left_out(ProtocolStep::Wake) {
            let mut gate = sync::lock(&self.gate);
            let line = self.line(&mut gate);
            if waits & AWAITED != 0 {
                line.values.iter().for_each(|waiter| waiter.thread.unpark());
            }
            if waits & IN_LINE != 0 {
                line.wake_first();
            }
        }
        if waits & LEFT != 0
            && let Some(left) = self.left.get()
        {
            (left.run)();
        }
    }
}

impl Line {
    fn waiter(&mut self) -> Waiter {
        self.last = self.last.wrapping_add(1);
        Waiter { id: self.last, thread: sync::current(), is_away: false, stepped_aside: 0 }
    }

    fn set_away(&mut self, id: u64, is_away: bool) {
        if let Some(waiter) = self.acquiring.iter_mut().find(|waiter| waiter.id == id) {
            waiter.is_away = is_away;
        }
    }

    fn first(&self) -> Option<&Waiter> {
        self.acquiring.iter().find(|waiter| !waiter.is_away || left_out(ProtocolStep::PassAway))
    }

    fn wake_first(&self) {
        if let Some(first) = self.first() {
            first.thread.unpark();
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
