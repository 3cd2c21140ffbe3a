//! A value that one call of the program at a time acquires, and that the library borrows while the call does not use
//! it.
//!
//! Permit and value are separate: a call of the program (`send`) acquires the seat for its whole duration, and needs
//! the value only while it works; while the call sleeps, the library's own thread may borrow the value to send an
//! acknowledgement.
//!
//! Everything about the seat changes under one lock, its *gate*, which is the lock of what the value is used with
//! anyway: which thread has the permit, whether a thread has the value, and which threads wait. A call that does not
//! sleep enters the gate and uses the value there ([`Seat::enter`]). One that has to leave the gate takes permit and
//! value with it as a [`Lease`], and gives them back at the gate. A thread that does not get what it asks for enters
//! the line under the lock under which it has looked, so the call that gives it back finds that thread there.
//!
//! While it holds the gate a thread uses [`SeatGuard`] and [`LockedLease`] only; any other method deadlocks.
//!
//! Permits are granted in order of arrival; the value goes to any waiter. A thread in line that runs a callback of the
//! program is passed over meanwhile, and a thread that has the permit may step aside for one ([`Lease::step_aside`]):
//! it comes to the front of the line.
//!
//! `loom_tests` has the model of it, and mutants that each lack one step.

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
/// The end of the call that has the permit is to be signalled over the descriptor.
const SIGNAL_END: u64 = 8;
/// The remaining bits name the thread that has the permit; 0 for none.
const OWNER: u64 = !15;
/// Among what [`Seat::give_back`] returns: something was left to the thread that has given the value back.
const LEFT: u64 = TAKEN;

/// The value and who has it. `G` is what the gate protects.
pub struct Seat<T, G> {
    /// The bits above and the owner. Written under the gate alone, so no order is needed; without it a thread may look
    /// for its own name, or guess.
    word: AtomicU64,
    value: UnsafeCell<T>,
    /// The waiting threads. Used under the gate alone.
    line: UnsafeCell<Line>,
    gate: Arc<Mutex<G>>,
    /// Signals the end of a call; made when a thread first waits for it.
    ended: OnceLock<EventFd>,
    left: OnceLock<Left<G>>,
    /// The fork generation. In a forked child a thread of the parent may have the gate for good.
    generation: u64,
}

/// What a thread does once it has given the value back, where `is_left` says so.
struct Left<G> {
    is_left: fn(&G) -> bool,
    run: Box<dyn Fn() + Send + Sync>,
}

/// The waiting threads, in order of arrival.
#[derive(Default)]
struct Line {
    /// The number of the last waiter.
    last: u64,
    /// Threads that wait for the permit.
    acquiring: VecDeque<Waiter>,
    /// Threads that wait for the value.
    values: Vec<Waiter>,
}

/// A thread in line.
struct Waiter {
    id: u64,
    thread: Thread,
    /// Whether it runs a callback, so that others pass it.
    is_away: bool,
    /// The thread that has stepped aside, as [`this_thread`] names it; 0 for one that came to the line.
    stepped_aside: u64,
}

/// How a thread in line waits.
pub trait InLine {
    /// Sleeps until the thread is unparked, or until something else is due. Returns whether a callback is due.
    ///
    /// # Errors
    /// Why it gives up.
    fn park(&mut self) -> Result<bool>;

    /// Runs the callback.
    ///
    /// # Errors
    /// Why it gives up.
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

// SAFETY: the line is used by the holder of the gate alone, and the value too, or by the one thread for which `TAKEN`
// was set there and that clears it there. So sharing the seat moves the value between threads, which `T: Send` allows,
// and never shares it. The gate is a lock, and as such shared.
unsafe impl<T: Send, G: Send> Sync for Seat<T, G> {}

impl<T, G> Seat<T, G> {
    /// Returns a seat that no thread has, with this gate.
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

    /// Has each thread that gives the value back run this, where `is_left` finds at the gate that another one has left
    /// something ([`Seat::try_borrow_or`]): outside of the gate, with the seat as any thread may have it. Once, for a
    /// new seat.
    pub fn on_left(&self, is_left: fn(&G) -> bool, run: impl Fn() + Send + Sync + 'static) {
        let _ = self.left.set(Left { is_left, run: Box::new(run) });
    }

    /// Returns value and gate, for a call that does not sleep; `None` where another thread has or awaits the seat.
    /// Waits for the gate alone.
    pub fn enter(&self) -> Option<SeatGuard<'_, T, G>> {
        let gate = sync::lock(&self.gate);
        self.is_free().then(|| SeatGuard { gate, seat: self })
    }

    /// Returns whether no thread has or awaits the seat. The caller has the gate.
    fn is_free(&self) -> bool {
        self.seems_free() || left_out(ProtocolStep::SeeTaken)
    }

    /// Notes that this thread has the permit. The caller has the gate and has found that no thread has it.
    fn grant(&self) -> Permit<'_, T, G> {
        self.word.store(self.word.load(Relaxed) | this_thread(), Relaxed);
        Permit { seat: self, no_send: PhantomData }
    }

    /// Notes that a thread has the value. As [`Seat::grant`].
    fn take_value(&self) -> ValueGuard<'_, T, G> {
        self.word.store(self.word.load(Relaxed) | TAKEN, Relaxed);
        ValueGuard { seat: self, no_send: PhantomData }
    }

    /// Both at once.
    fn lease(&self) -> Lease<'_, T, G> {
        self.word.store(this_thread() | TAKEN, Relaxed);
        Lease { seat: self, no_send: PhantomData }
    }

    /// Takes permit and value where no thread has either and none waits; otherwise `None`, and [`Seat::try_acquire`]
    /// decides.
    #[inline]
    pub fn try_take(&self) -> Option<Lease<'_, T, G>> {
        self.enter().map(|entered| entered.hold())
    }

    /// Takes the permit alone, where no thread has it and none waits for it. The library may still have the value.
    pub fn try_acquire(&self) -> Option<Permit<'_, T, G>> {
        let _gate = sync::lock(&self.gate);
        (self.word.load(Relaxed) & (OWNER | IN_LINE) == 0).then(|| self.grant())
    }

    /// The same; `look` sees what the gate protects, and whether the permit is taken, in the same step.
    pub fn try_acquire_with<R>(&self, look: impl FnOnce(&mut G, bool) -> R) -> (Option<Permit<'_, T, G>>, R) {
        let mut gate = sync::lock(&self.gate);
        let is_free = self.word.load(Relaxed) & (OWNER | IN_LINE) == 0;
        let looked = look(&mut gate, is_free);
        (is_free.then(|| self.grant()), looked)
    }

    /// Takes the permit, behind earlier threads. Blocks.
    ///
    /// # Errors
    /// That of `waiting`; then the permit was not taken.
    #[cold]
    pub fn acquire(&self, waiting: &mut Waiting<'_>) -> Result<Permit<'_, T, G>> {
        loop {
            if let Some(permit) = self.acquire_by(waiting, |_| false)? {
                return Ok(permit);
            }
        }
    }

    /// The same, but none as soon as `is_done` says so, which sees what the gate protects. Who makes that true unparks
    /// this thread.
    ///
    /// # Errors
    /// That of `waiting`; then the permit was not taken, and it is not done.
    #[cold]
    pub fn acquire_unless(
        &self,
        waiting: &mut Waiting<'_>,
        is_done: impl FnMut(&mut G) -> bool,
    ) -> Result<Option<Permit<'_, T, G>>> {
        self.acquire_by(waiting, is_done)
    }

    /// As [`Seat::acquire_unless`]; waits by `wait`, until it is woken or has to give up.
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

    /// Waits in line, as the waiter of this number, whose last sleep had this result.
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
            // This thread may have been woken already, so it passes the wake-up on; who has the permit wakes the first
            // by itself.
            if self.word.load(Relaxed) & OWNER == 0 && !left_out(ProtocolStep::PassOn) {
                self.line(&mut gate).wake_first();
            }
            return if is_done { Ok(None) } else { woken.map(|_| None) };
        }
    }

    /// Takes the value where no thread has it at this instant, whichever thread has the permit.
    pub fn try_borrow(&self) -> Option<ValueGuard<'_, T, G>> {
        self.try_borrow_or(|_| {})
    }

    /// The same; where another thread has the value, `leave` notes at the gate what is left to that thread: see
    /// [`Seat::on_left`].
    #[inline]
    pub fn try_borrow_or(&self, leave: impl FnOnce(&mut G)) -> Option<ValueGuard<'_, T, G>> {
        let mut gate = sync::lock(&self.gate);
        if self.word.load(Relaxed) & TAKEN == 0 {
            return Some(self.take_value());
        }
        leave(&mut gate);
        None
    }

    /// Takes the value once no other thread has it. Blocks, for as long as the library takes with it.
    #[inline]
    pub fn borrow(&self) -> ValueGuard<'_, T, G> {
        self.try_borrow().unwrap_or_else(|| self.await_value())
    }

    /// The slow path of [`Seat::borrow`].
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

    /// Returns whether a call has the permit. A thread that only waits for it does not count. What was true when this
    /// thread was at the gate last, or later.
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

    /// Returns whether a call of this very thread has the permit, or has stepped aside, and its callback or signal
    /// handler runs now.
    pub fn is_acquired_here(&self) -> bool {
        let word = self.word.load(Relaxed);
        word & OWNER == this_thread()
            || word & IN_LINE != 0 && self.is_aside_here(&mut sync::lock(&self.gate))
    }

    /// The same for the holder of the gate.
    pub fn is_acquired_by_holder(&self, gate: &mut GateGuard<'_, G>) -> bool {
        self.word.load(Relaxed) & OWNER == this_thread() || self.is_aside_here(gate)
    }

    /// Returns whether this thread has stepped aside.
    fn is_aside_here(&self, gate: &mut GateGuard<'_, G>) -> bool {
        self.line(gate).acquiring.iter().any(|waiter| waiter.stepped_aside == this_thread())
    }

    /// Returns a descriptor that is readable once the call that has the permit now has ended. If no call has the permit
    /// after this, it may have ended before, so the caller tests again.
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
        // SAFETY: the seat is borrowed alone, so no guard of it exists.
        unsafe { &mut *place(&self.value) }
    }

    /// Returns the waiting threads, for the holder of the gate.
    fn line<'a>(&'a self, _gate: &'a mut GateGuard<'_, G>) -> &'a mut Line {
        // SAFETY: every use of the line is through here, by the holder of this seat's gate, which the guard shows; it
        // is borrowed alone.
        unsafe { &mut *place(&self.line) }
    }

    /// Gives back what these bits stand for. The caller has the gate; once it has left, it passes the result to
    /// [`Seat::wake`].
    fn give_back(&self, gate: &G, what: u64) -> u64 {
        let word = self.word.load(Relaxed);
        let ends = if what & OWNER != 0 { what | SIGNAL_END } else { what };
        self.word.store(word & !ends, Relaxed);
        let waits = (if what & OWNER != 0 { IN_LINE | SIGNAL_END } else { 0 })
            | (if what & TAKEN != 0 { AWAITED } else { 0 });
        let is_left = what & TAKEN != 0 && self.left.get().is_some_and(|left| (left.is_left)(gate));
        word & waits | if is_left && !left_out(ProtocolStep::LookLeft) { LEFT } else { 0 }
    }

    /// The same at the gate, which this enters; wakes those that wait, but for what `but` says. In a forked child,
    /// whose parent's threads are not there, nothing is left to do.
    fn release(&self, what: u64, but: u64) {
        if fork::generation() != self.generation {
            return;
        }
        let gate = sync::lock(&self.gate);
        let waits = self.give_back(&gate, what);
        drop(gate);
        self.wake(waits & !but);
    }

    /// Wakes those that wait for what was given back, and does what was left to this thread.
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
    /// Returns this thread as a new waiter.
    fn waiter(&mut self) -> Waiter {
        self.last = self.last.wrapping_add(1);
        Waiter { id: self.last, thread: sync::current(), is_away: false, stepped_aside: 0 }
    }

    /// Notes whether this waiter runs a callback.
    fn set_away(&mut self, id: u64, is_away: bool) {
        if let Some(waiter) = self.acquiring.iter_mut().find(|waiter| waiter.id == id) {
            waiter.is_away = is_away;
        }
    }

    /// Returns the first thread in line that runs no callback.
    fn first(&self) -> Option<&Waiter> {
        self.acquiring.iter().find(|waiter| !waiter.is_away || left_out(ProtocolStep::PassAway))
    }

    /// Wakes that thread.
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
