//! Models of the seat in every interleaving of calls, borrowers and waiters.
//!
//! Mutants without one step of the protocol must fail. A lost wake-up is a deadlock, and two holders of the value are a
//! data race. Run by `tests/run loom`.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use loom::thread;

use super::sync::LEFT_OUT;
use super::*;
use crate::error::{Error, ErrorKind};

type SharedSeat = Arc<Seat<u64, ()>>;

fn seat_of(value: u64) -> SharedSeat {
    SharedSeat::new(Seat::new(value, Arc::new(Mutex::new(()))))
}

fn model(preemptions: Option<usize>, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(run);
}

/// Asserts that the model fails without this step.
fn finds(step: ProtocolStep, run: impl Fn()) {
    LEFT_OUT.set(Some(step));
    let found = catch_unwind(AssertUnwindSafe(run)).is_err();
    LEFT_OUT.set(None);
    assert!(found, "the protocol without {step:?} passes this model");
}

fn take_in_turn(seat: &Seat<u64, ()>) -> Lease<'_, u64, ()> {
    seat.try_take().unwrap_or_else(|| {
        let permit = seat.acquire_by(&mut Parked, |_| false).expect("this wait has no deadline");
        permit.expect("it is never done").take()
    })
}

struct Parked;

impl InLine for Parked {
    fn park(&mut self) -> crate::error::Result<bool> {
        sync::park();
        Ok(false)
    }

    fn call_back(&mut self) -> crate::error::Result<()> {
        Ok(())
    }
}

/// The first sleep ends for a callback, which waits for another thread.
struct CallsBack(Option<thread::JoinHandle<()>>);

impl InLine for CallsBack {
    fn park(&mut self) -> crate::error::Result<bool> {
        if self.0.is_none() {
            sync::park();
        }
        Ok(self.0.is_some())
    }

    fn call_back(&mut self) -> crate::error::Result<()> {
        self.0.take().into_iter().for_each(|other| other.join().unwrap());
        Ok(())
    }
}

/// A wait that reaches its deadline in its first sleep.
struct GivesUp {
    sleeps: u32,
}

impl InLine for GivesUp {
    fn park(&mut self) -> crate::error::Result<bool> {
        self.sleeps += 1;
        if self.sleeps == 1 {
            sync::park();
        }
        Err(Error::new(ErrorKind::Timeout, "the deadline has passed"))
    }

    fn call_back(&mut self) -> crate::error::Result<()> {
        Ok(())
    }
}

fn started(seat: &SharedSeat, run: impl FnOnce(&Seat<u64, ()>) + 'static) -> thread::JoinHandle<()> {
    let seat = seat.clone();
    thread::spawn(move || run(&seat))
}

/// Asserts a free seat without bits, and that every thread has counted.
fn ends_with<G>(seat: &Seat<u64, G>, count: u64) {
    let value = seat.try_take().expect("no thread has or awaits the seat");
    assert_eq!(*value, count);
}

fn calls(preemptions: Option<usize>, others: u64) {
    model(preemptions, move || {
        let seat = seat_of(0);
        let threads: Vec<_> = (0..others).map(|_| started(&seat, |seat| *take_in_turn(seat) += 1)).collect();
        *take_in_turn(&seat) += 1;
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        ends_with(&seat, others + 1);
    });
}

/// A call lends the value while it sleeps; a library thread waits for the value.
fn call_and_borrower() {
    model(None, || {
        let seat = seat_of(0);
        let borrows = started(&seat, |seat| *seat.borrow() += 1);
        let mut taken = take_in_turn(&seat);
        *taken += 1;
        let (permit, value) = taken.split();
        drop(value);
        assert!(seat.is_acquired_here());
        *permit.take() += 1;
        borrows.join().unwrap();
        ends_with(&seat, 3);
    });
}

/// [`call_and_borrower`], and another waiting call.
fn two_calls_and_borrower() {
    model(Some(3), || {
        let seat = seat_of(0);
        let borrows = started(&seat, |seat| *seat.borrow() += 1);
        let waits = started(&seat, |seat| *take_in_turn(seat) += 1);
        let (permit, value) = take_in_turn(&seat).split();
        drop(value);
        *permit.take() += 1;
        borrows.join().unwrap();
        waits.join().unwrap();
        ends_with(&seat, 3);
    });
}

/// Two calls wait for a third; the first one reaches its deadline when it wakes, or before.
fn one_gives_up() {
    model(Some(3), || {
        let seat = seat_of(0);
        let held = seat.try_take().unwrap();
        let gives_up = started(&seat, |seat| {
            if let Ok(Some(permit)) = seat.acquire_by(&mut GivesUp { sleeps: 0 }, |_| false) {
                *permit.take() += 1;
            } else {
                *take_in_turn(seat) += 1;
            }
        });
        let waits = started(&seat, |seat| *take_in_turn(seat) += 1);
        drop(held);
        gives_up.join().unwrap();
        waits.join().unwrap();
        ends_with(&seat, 2);
    });
}

/// A thread waits for the end of a call: no call has the permit, or the descriptor is signalled.
fn end_of_a_call() {
    model(None, || {
        let seat = seat_of(0);
        let calls = started(&seat, |seat| {
            let (permit, value) = take_in_turn(seat).split();
            drop(value);
            *permit.take() += 1;
        });
        let ended = seat.await_end().unwrap();
        let acquired = seat.is_acquired();
        calls.join().unwrap();
        assert!(!acquired || ended.is_signalled(), "the end of the call was not signalled");
    });
}

/// A short call next to a call that takes the seat, or to a borrower.
fn short_call(beside: fn(&Seat<u64, ()>)) {
    model(None, move || {
        let seat = seat_of(0);
        let other = started(&seat, beside);
        let entered = seat.enter().map(|mut entered| *entered.parts().0 += 1);
        other.join().unwrap();
        ends_with(&seat, 1 + u64::from(entered.is_some()));
    });
}

#[test]
fn short_call_is_alone_with_the_value() {
    short_call(|seat| *take_in_turn(seat) += 1);
    short_call(|seat| *seat.borrow() += 1);
    short_call(|seat| *seat.enter().expect("no thread takes it").parts().0 += 1);
}

/// A call enters one seat, holds another, and ends at the gate.
fn call_that_holds(beside: fn(&Seat<u64, ()>) -> bool) {
    model(None, move || {
        let gate = Arc::new(Mutex::new(()));
        let (first, seat) = (Seat::new(0, gate.clone()), SharedSeat::new(Seat::new(0, gate)));
        let other = {
            let seat = seat.clone();
            thread::spawn(move || u64::from(beside(&seat)))
        };
        let counted = u64::from(hold_and_count(&first, &seat));
        ends_with(&seat, counted + other.join().unwrap());
    });
}

/// Counts twice, outside the gate and under it. Returns whether it could.
fn hold_and_count(first: &Seat<u64, ()>, seat: &Seat<u64, ()>) -> bool {
    let held = {
        let entered = first.enter().expect("no other thread uses this seat");
        entered.try_hold(seat)
    };
    let Some(mut held) = held else { return false };
    assert!(seat.is_acquired_here());
    *held += 1;
    let mut ending = held.enter();
    *ending.parts().0 -= 1;
    *ending.parts().0 += 1;
    ending.end();
    true
}

fn waits_for_a_call_that_holds(waits: fn(&Seat<u64, ()>)) {
    model(None, move || {
        let gate = Arc::new(Mutex::new(()));
        let (first, seat) = (Seat::new(0, gate.clone()), SharedSeat::new(Seat::new(0, gate)));
        let other = started(&seat, waits);
        let counted = u64::from(hold_and_count(&first, &seat));
        other.join().unwrap();
        ends_with(&seat, counted + 1);
    });
}

/// A call holds the seat, a second waits, and a third tries.
fn waits_beside_one_that_tries(tries: fn(&Seat<u64, ()>) -> bool) {
    model(Some(2), move || {
        let gate = Arc::new(Mutex::new(()));
        let (first, seat) = (Seat::new(0, gate.clone()), SharedSeat::new(Seat::new(0, gate)));
        let waits = started(&seat, |seat| *take_in_turn(seat) += 1);
        let tries = {
            let seat = seat.clone();
            thread::spawn(move || u64::from(tries(&seat)))
        };
        let counted = u64::from(hold_and_count(&first, &seat));
        waits.join().unwrap();
        ends_with(&seat, counted + 1 + tries.join().unwrap());
    });
}

fn end_of_a_call_that_holds() {
    model(None, || {
        let gate = Arc::new(Mutex::new(()));
        let (first, seat) = (Seat::new(0, gate.clone()), SharedSeat::new(Seat::new(0, gate)));
        let calls = started(&seat, move |seat| {
            let _ = hold_and_count(&first, seat);
        });
        let ended = seat.await_end().unwrap();
        let acquired = seat.is_acquired();
        calls.join().unwrap();
        assert!(!acquired || ended.is_signalled(), "the end of the call was not signalled");
    });
}

/// A leader files a follower's answer. With `stays`, the leader still waits for its own answer.
fn leader_and_follower(stays: bool) {
    model(None, move || {
        let seat = Arc::new(Seat::new(0, Arc::new(Mutex::new((false, None::<Thread>)))));
        let mut leads = seat.try_take().expect("no thread has it");
        let follows = {
            let seat = seat.clone();
            thread::spawn(move || {
                let done = |(is_answered, follower): &mut (bool, Option<Thread>)| {
                    *follower = (!*is_answered).then(sync::current);
                    *is_answered
                };
                let permit = seat.acquire_by(&mut Parked, done).unwrap();
                permit.is_some_and(|permit| {
                    *permit.take() += 1;
                    true
                })
            })
        };
        *leads += 1;
        let mut ending = leads.enter();
        let (_, filed) = ending.parts();
        filed.0 = true;
        if let Some(follower) = filed.1.take().filter(|_| !left_out(ProtocolStep::Unpark)) {
            follower.unpark();
        }
        if stays {
            // The panic of a failing model must not drop it, because its locks stay held.
            let leads = ManuallyDrop::new(ending.go_on());
            assert!(!follows.join().unwrap(), "its answer is there, and the permit is another's");
            drop(ManuallyDrop::into_inner(leads));
            ends_with(&seat, 1);
        } else {
            ending.end();
            let has_led = follows.join().unwrap();
            ends_with(&seat, 1 + u64::from(has_led));
        }
    });
}

/// Work left to the call with the value is done once, when it gives the value back.
fn left_to_the_call() {
    model(None, || {
        let seat: Arc<Seat<u64, u64>> = Arc::new(Seat::new(0, Arc::new(Mutex::new(0))));
        let of_call = Arc::downgrade(&seat);
        seat.on_left(
            |left| *left > 0,
            move || {
                let Some(seat) = of_call.upgrade() else { return };
                while let Some(mut value) = seat.try_borrow() {
                    *value += std::mem::take(&mut *sync::lock(&seat.gate));
                    value.end_left();
                    if *sync::lock(&seat.gate) == 0 {
                        return;
                    }
                }
            },
        );
        let leaves = {
            let seat = seat.clone();
            thread::spawn(move || {
                if let Some(mut value) = seat.try_borrow_or(|left| *left += 1) {
                    *value += 1;
                }
            })
        };
        if let Some(mut value) = seat.try_borrow_or(|left| *left += 1) {
            *value += 1;
        }
        leaves.join().unwrap();
        assert_eq!(*sync::lock(&seat.gate), 0, "what was left is not done");
        ends_with(&seat, 2);
    });
}

#[test]
fn what_is_left_is_done_by_the_thread_that_gives_the_value_back() {
    left_to_the_call();
    finds(ProtocolStep::LookLeft, left_to_the_call);
}

#[test]
fn follower_gets_its_answer_or_leads() {
    leader_and_follower(true);
    leader_and_follower(false);
}

#[test]
fn mutant_that_does_not_wake_the_follower_is_found() {
    finds(ProtocolStep::Unpark, || leader_and_follower(true));
}

/// A call steps aside for a callback, which waits for a call in line, or for a later call.
fn call_that_steps_aside() {
    model(None, || {
        let seat = seat_of(0);
        let mut leads = seat.try_take().expect("no thread has it");
        let other = started(&seat, |seat| *take_in_turn(seat) += 1);
        *leads += 1;
        let permit = leads.step_aside(&mut CallsBack(Some(other)), |_| false).unwrap();
        assert!(seat.is_acquired_here());
        *permit.expect("it is never done").take() += 1;
        ends_with(&seat, 3);
    });
}

/// A call in line runs a callback, which waits for a later call.
fn call_in_line_that_calls_back() {
    model(Some(3), || {
        let seat = seat_of(0);
        let leads = seat.try_take().expect("no thread has it");
        let behind = started(&seat, |seat| *take_in_turn(seat) += 1);
        let waits = started(&seat, move |seat| {
            let mut wait = CallsBack(Some(behind));
            let permit = seat.acquire_by(&mut wait, |_| false).unwrap();
            *permit.expect("it is never done").take() += 1;
            wait.call_back().unwrap();
        });
        drop(leads);
        waits.join().unwrap();
        ends_with(&seat, 2);
    });
}

#[test]
fn callback_keeps_no_other_call_waiting() {
    call_that_steps_aside();
    call_in_line_that_calls_back();
}

#[test]
fn mutants_of_stepping_aside_are_found() {
    finds(ProtocolStep::WakeAside, call_that_steps_aside);
    finds(ProtocolStep::PassAway, call_that_steps_aside);
    finds(ProtocolStep::PassAway, call_in_line_that_calls_back);
}

/// The other thread's possible steps, and whether it counted.
const BESIDE: [fn(&Seat<u64, ()>) -> bool; 3] = [
    |seat| seat.enter().map(|mut entered| *entered.parts().0 += 1).is_some(),
    |seat| seat.try_take().map(|mut taken| *taken += 1).is_some(),
    |seat| {
        *seat.borrow() += 1;
        true
    },
];

#[test]
fn call_that_holds_is_alone_with_the_value() {
    BESIDE.into_iter().for_each(call_that_holds);
}

#[test]
fn call_that_holds_leaves_no_waiter_asleep() {
    waits_for_a_call_that_holds(|seat| *take_in_turn(seat) += 1);
    waits_for_a_call_that_holds(|seat| *seat.borrow() += 1);
    end_of_a_call_that_holds();
}

#[test]
fn one_that_tries_leaves_no_waiter_asleep() {
    let [_, takes, _] = BESIDE;
    waits_beside_one_that_tries(takes);
    waits_beside_one_that_tries(|seat| seat.try_borrow().map(|mut value| *value += 1).is_some());
}

#[test]
fn mutants_of_calls_that_hold_are_found() {
    BESIDE.into_iter().take(2).for_each(|beside| finds(ProtocolStep::SeeTaken, || call_that_holds(beside)));
    for step in [ProtocolStep::OneLock, ProtocolStep::Wake] {
        finds(step, || waits_for_a_call_that_holds(|seat| *take_in_turn(seat) += 1));
        finds(step, || waits_for_a_call_that_holds(|seat| *seat.borrow() += 1));
    }
    finds(ProtocolStep::EndsBit, end_of_a_call_that_holds);
}

#[test]
fn mutants_of_short_calls_are_found() {
    finds(ProtocolStep::SeeTaken, || short_call(|seat| *take_in_turn(seat) += 1));
    finds(ProtocolStep::SeeTaken, || short_call(|seat| *seat.borrow() += 1));
}

#[test]
fn two_calls_take_turns() {
    calls(None, 1);
}

#[test]
fn three_calls_take_turns() {
    calls(Some(3), 2);
}

#[test]
fn call_lends_its_value_and_takes_it_back() {
    call_and_borrower();
}

#[test]
fn call_waits_beside_a_borrower() {
    two_calls_and_borrower();
}

#[test]
fn waiter_that_gives_up_leaves_no_other_asleep() {
    one_gives_up();
}

#[test]
fn end_of_a_call_is_seen_or_signalled() {
    end_of_a_call();
}

#[test]
fn mutants_of_waiting_for_the_claim_are_found() {
    finds(ProtocolStep::OneLock, || calls(None, 1));
    finds(ProtocolStep::Wake, || calls(None, 1));
    finds(ProtocolStep::PassOn, one_gives_up);
}

#[test]
fn mutants_of_waiting_for_the_value_are_found() {
    for step in [ProtocolStep::OneLock, ProtocolStep::Wake, ProtocolStep::AwaitValue] {
        finds(step, call_and_borrower);
    }
}

#[test]
fn mutant_without_end_bit_is_found() {
    finds(ProtocolStep::EndsBit, end_of_a_call);
}
