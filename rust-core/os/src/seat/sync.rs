//! The parts of `Seat` that loom replaces, and the protocol steps that mutants of its models omit.

use std::ops::{Deref, DerefMut};

use crate::kernel_entry::NoKernelEntry;

#[cfg(not(loom))]
pub use std::{
    cell::UnsafeCell,
    sync::Mutex,
    sync::atomic::AtomicU64,
    thread::{Thread, current, park},
};

#[cfg(not(loom))]
use std::sync::MutexGuard;

#[cfg(loom)]
use loom::sync::MutexGuard;
#[cfg(loom)]
pub use loom::{
    cell::UnsafeCell,
    sync::Mutex,
    sync::atomic::AtomicU64,
    thread::{Thread, current, park},
};

/// Its address names a living thread; aligned to 16, so its low four bits are free.
#[repr(align(16))]
struct Here(#[expect(dead_code, reason = "its address is what counts")] u8);

#[cfg(not(loom))]
thread_local! {
    static HERE: Here = const { Here(0) };
}

#[cfg(loom)]
loom::thread_local! {
    static HERE: Here = Here(0);
}

/// Returns this thread's unique number; never 0, with the low four bits clear.
#[inline]
pub fn this_thread() -> u64 {
    HERE.with(|here| std::ptr::from_ref(here).addr() as u64)
}

#[cfg(debug_assertions)]
std::thread_local! {
    /// For tests: locks taken, and exchanges of words that other threads may change.
    static LOCKED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Returns how often `step` locks or exchanges on this thread (0 in a release build), and its result.
pub fn counted<R>(step: impl FnOnce() -> R) -> (u64, R) {
    #[cfg(debug_assertions)]
    let so_far = || LOCKED.get();
    #[cfg(not(debug_assertions))]
    let so_far = || 0;
    let before = so_far();
    let result = step();
    (so_far() - before, result)
}

/// Counts a lock or an exchange, in a debug build.
pub fn note_locked() {
    #[cfg(debug_assertions)]
    LOCKED.set(LOCKED.get() + 1);
}

/// A locked gate. Its holder enters the kernel only to wake others.
pub struct GateGuard<'a, G> {
    guard: MutexGuard<'a, G>,
    _no_entry: NoKernelEntry,
}

impl<G> Deref for GateGuard<'_, G> {
    type Target = G;

    fn deref(&self) -> &G {
        &self.guard
    }
}

impl<G> DerefMut for GateGuard<'_, G> {
    fn deref_mut(&mut self) -> &mut G {
        &mut self.guard
    }
}

/// Locks a gate, despite poisoning: a callback's panic leaves no incomplete state.
pub fn lock<G>(gate: &Mutex<G>) -> GateGuard<'_, G> {
    note_locked();
    let guard = gate.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    GateGuard { guard, _no_entry: NoKernelEntry::new() }
}

/// Returns the value's place. Loom counts this as a write that must be ordered with every other.
pub fn place<T>(value: &UnsafeCell<T>) -> *mut T {
    #[cfg(not(loom))]
    return value.get();
    #[cfg(loom)]
    value.with_mut(|place| place)
}

/// A step of the protocol that a mutant omits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolStep {
    /// A thread looks and enters the line under one lock.
    OneLock,
    /// A returned permit or value wakes its waiters.
    Wake,
    /// A waiter that gives up passes on a wake-up that it may have received.
    PassOn,
    /// Threads in line pass a thread that runs a callback.
    PassAway,
    /// A call that steps aside wakes the next in line before it runs its callback.
    WakeAside,
    /// A call with the permit takes the value only while no other thread has it.
    AwaitValue,
    /// A thread that waits for the end of a call sets the bit before it tests for a call.
    EndsBit,
    /// A call leaves the gate if another thread has the value or the permit.
    SeeTaken,
    /// A thread that gives the value back looks for work left to it.
    LookLeft,
    /// A thread that makes a waiter's condition true unparks the waiter.
    #[cfg(all(test, loom))]
    Unpark,
}

/// Returns whether a model omits this step.
#[cfg(not(loom))]
pub const fn left_out(_: ProtocolStep) -> bool {
    false
}

#[cfg(loom)]
std::thread_local! {
    /// The omitted step; all threads of a model run on one system thread.
    pub static LEFT_OUT: std::cell::Cell<Option<ProtocolStep>> = const { std::cell::Cell::new(None) };
}

#[cfg(loom)]
pub fn left_out(step: ProtocolStep) -> bool {
    LEFT_OUT.get() == Some(step)
}
