//! A seat: a value with a permit, such as one half of a link that calls of several threads use in turn.
//!
//! A call of the program (`send`) has the *permit* for its whole duration, and needs the *value* only while it works.
//! While the call sleeps, a thread of the library may borrow the value to send an acknowledgement.
//!
//! One lock, the *gate*, protects the state of the seat: the thread with the permit, whether a thread has the value,
//! and the line of waiting threads. It is the lock of the value's session.
//!
//! A call that does not sleep enters the gate and uses the value there ([`Seat::enter`]). A call that must leave the
//! gate takes permit and value along as a [`Lease`], and returns them at the gate. A thread that finds the seat taken
//! enters the line before it leaves the gate, so the call that returns the seat finds the thread.
//!
//! While a thread holds the gate it uses only [`SeatGuard`] and [`LockedLease`]. Any other method deadlocks.
//!
//! Permits are granted in order of arrival. The value goes to any waiter. Others pass a thread in line while it runs a
//! callback. A thread with the permit may step aside for a callback ([`Lease::step_aside`]), and then comes to the
//! front of the line.
//!
//! `loom_tests` has the model of the seat, and mutants that each lack one step.

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
const IN_LINE: u64 = 2;
const AWAITED: u64 = 4;
/// A thread waits for the descriptor `ended`, which signals the end of the call with the permit.
const SIGNAL_END: u64 = 8;
/// The remaining bits name the thread with the permit; 0 for none.
const OWNER: u64 = !15;
/// In the result of [`Seat::give_back`]: another thread has left work to the thread that gave the value back.
const LEFT: u64 = TAKEN;

/// The value and its holders. The gate protects a `G`.
pub struct Seat<T, G> {
    /// The bits above and the owner. Only the holder of the gate writes them, so relaxed order suffices. Without the
    /// gate a thread may only look for its own name; other readings are hints.
    word: AtomicU64,
    value: UnsafeCell<T>,
    line: UnsafeCell<Line>,
    gate: Arc<Mutex<G>>,
    ended: OnceLock<EventFd>,
    left: OnceLock<Left<G>>,
    /// The fork generation. In a forked child the gate may stay locked by a thread of the parent.
    generation: u64,
}

struct Left<G> {
    is_left: fn(&G) -> bool,
    run: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Line {
    last: u64,
    acquiring: VecDeque<Waiter>,
    values: Vec<Waiter>,
}

struct Waiter {
    id: u64,
    thread: Thread,
    is_away: bool,
    stepped_aside: u64,
}

/// How a thread in line waits.
pub trait InLine {
    /// Sleeps until the thread is unparked, or until something else is due. Returns whether a callback is due.
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

// SAFETY: only the holder of the gate uses the line. While `TAKEN` is set, one thread uses the value, and that thread
// clears `TAKEN` at the gate; otherwise the holder of the gate uses it. The seat therefore moves the value between
// threads, which `T: Send` allows, and never shares it. The gate is a lock, so threads may share it.
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

    /// Sets the work that threads leave to the holder of the value ([`Seat::try_borrow_or`]), once.
    ///
    /// A thread that gives the value back evaluates `is_left` at the gate. If that is true, it calls `run` outside the
    /// gate, in any state of the seat.
    pub fn on_left(&self, is_left: fn(&G) -> bool, run: impl Fn() + Send + Sync + 'static) {
        let _ = self.left.set(Left { is_left, run: Box::new(run) });
    }

    /// Returns value and gate, for a call that does not sleep; `None` if the seat is not free.
    pub fn enter(&self) -> Option<SeatGuard<'_, T, G>> {
        let gate = sync::lock(&self.gate);
        self.is_free().then(|| SeatGuard { gate, seat: self })
    }

    fn is_free(&self) -> bool {
        self.seems_free() || left_out(ProtocolStep::SeeTaken)
    }

    fn grant(&self) -> Permit<'_, T, G> {
        self.word.store(self.word.load(Relaxed) | this_thread(), Relaxed);
        Permit { seat: self, no_send: PhantomData }
    }

    fn take_value(&self) -> ValueGuard<'_, T, G> {
        self.word.store(self.word.load(Relaxed) | TAKEN, Relaxed);
        ValueGuard { seat: self, no_send: PhantomData }
    }

    fn lease(&self) -> Lease<'_, T, G> {
        self.word.store(this_thread() | TAKEN, Relaxed);
        Lease { seat: self, no_send: PhantomData }
    }

    /// Takes a seat that no thread has or awaits, else `None`; then the permit may still be free.
    #[inline]
    pub fn try_take(&self) -> Option<Lease<'_, T, G>> {
        self.enter().map(|entered| entered.hold())
    }

    /// Takes only the permit, if no thread has or awaits it. The library may still have the value.
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

    /// Takes the permit after the threads that came earlier. Blocks.
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

    /// Takes the permit as [`Seat::acquire`], or returns `None` as soon as `is_done` is true.
    ///
    /// The thread that makes it true unparks this one.
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
            // This thread may have consumed the wake-up for the first thread in line, so it passes it on. A thread with
            // the permit would wake the first one later.
            if self.word.load(Relaxed) & OWNER == 0 && !left_out(ProtocolStep::PassOn) {
                self.line(&mut gate).wake_first();
            }
            return if is_done { Ok(None) } else { woken.map(|_| None) };
        }
    }

    /// Takes the value if it is free now. Any thread may have the permit.
    pub fn try_borrow(&self) -> Option<ValueGuard<'_, T, G>> {
        self.try_borrow_or(|_| {})
    }

    /// Takes the value as [`Seat::try_borrow`], or lets `leave` note work ([`Seat::on_left`]) at the gate.
    #[inline]
    pub fn try_borrow_or(&self, leave: impl FnOnce(&mut G)) -> Option<ValueGuard<'_, T, G>> {
        let mut gate = sync::lock(&self.gate);
        if self.word.load(Relaxed) & TAKEN == 0 {
            return Some(self.take_value());
        }
        leave(&mut gate);
        None
    }

    /// Takes the value when it is free. Blocks while the library uses it.
    #[inline]
    pub fn borrow(&self) -> ValueGuard<'_, T, G> {
        self.try_borrow().unwrap_or_else(|| self.await_value())
    }

    #[cold]
    fn await_value(&self) -> ValueGuard<'_, T, G> {
        /// The library has the value for less time than parking takes.
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

    /// Returns whether a call has the permit, when this thread was last at the gate or later.
    pub fn is_acquired(&self) -> bool {
        self.word.load(Relaxed) & OWNER != 0
    }

    /// Returns whether no thread has or awaits the seat, as far as this thread knows.
    pub fn seems_free(&self) -> bool {
        self.word.load(Relaxed) & !SIGNAL_END == 0
    }

    /// Returns whether a thread waits for the permit.
    pub fn is_awaited(&self) -> bool {
        self.word.load(Relaxed) & IN_LINE != 0
    }

    /// Returns whether this thread, in a callback or signal handler, has the permit or stepped aside.
    pub fn is_acquired_here(&self) -> bool {
        let word = self.word.load(Relaxed);
        word & OWNER == this_thread()
            || word & IN_LINE != 0 && self.is_aside_here(&mut sync::lock(&self.gate))
    }

    /// Returns [`Seat::is_acquired_here`], for the holder of the gate.
    pub fn is_acquired_by_holder(&self, gate: &mut GateGuard<'_, G>) -> bool {
        self.word.load(Relaxed) & OWNER == this_thread() || self.is_aside_here(gate)
    }

    fn is_aside_here(&self, gate: &mut GateGuard<'_, G>) -> bool {
        self.line(gate).acquiring.iter().any(|waiter| waiter.stepped_aside == this_thread())
    }

    /// Returns a descriptor that becomes readable when the current call with the permit ends.
    ///
    /// It may have ended before, so the caller tests the permit again.
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
        // SAFETY: the seat is borrowed exclusively, so no guard of it exists.
        unsafe { &mut *place(&self.value) }
    }

    fn line<'a>(&'a self, _gate: &'a mut GateGuard<'_, G>) -> &'a mut Line {
        // SAFETY: every use of the line passes here, and the guard shows that the caller holds this seat's gate. The
        // guard is borrowed exclusively.
        unsafe { &mut *place(&self.line) }
    }

    /// Gives back permit, value or both, by these bits. The caller has the gate, and passes the result to
    /// [`Seat::wake`] after leaving it.
    fn give_back(&self, gate: &G, what: u64) -> u64 {
        let word = self.word.load(Relaxed);
        let ends = if what & OWNER != 0 { what | SIGNAL_END } else { what };
        self.word.store(word & !ends, Relaxed);
        let waits = (if what & OWNER != 0 { IN_LINE | SIGNAL_END } else { 0 })
            | (if what & TAKEN != 0 { AWAITED } else { 0 });
        let is_left = what & TAKEN != 0 && self.left.get().is_some_and(|left| (left.is_left)(gate));
        word & waits | if is_left && !left_out(ProtocolStep::LookLeft) { LEFT } else { 0 }
    }

    /// Gives back permit or value at the gate, and wakes the waiters except those of the bits `but`. In a forked child
    /// it does nothing, because the parent's threads do not exist there.
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
