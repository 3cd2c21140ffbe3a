//! Threads that take, split, borrow and wait: one at a time, in order, and no waiter is lost.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use std::sync::atomic::Ordering;

use super::*;
use crate::deadline::{Timeout, Wait};
use crate::error::ErrorKind;

fn seat_of<T>(value: T) -> Seat<T, ()> {
    Seat::new(value, Arc::default())
}

const PATIENCE: Duration = Duration::from_secs(60);

fn patiently(time: Duration) -> Waiting<'static> {
    Waiting::start(Wait::new(time), Timeout::Default)
}

fn take_in_turn<T>(seat: &Seat<T, ()>) -> Lease<'_, T, ()> {
    seat.try_take().unwrap_or_else(|| seat.acquire(&mut patiently(PATIENCE)).unwrap().take())
}

/// They count in two steps, so interleaving would show.
#[test]
fn seat_has_one_holder_at_a_time_and_loses_no_waiter() {
    const EACH: u64 = 2000;
    let seat = Arc::new(seat_of((0u64, 0u64)));
    let step = |value: &mut (u64, u64)| {
        value.0 += 1;
        std::hint::black_box(&mut *value);
        assert_eq!(value.0, value.1 + 1, "two have the value");
        value.1 += 1;
    };
    thread::scope(|s| {
        for caller in 0..6 {
            let seat = &seat;
            s.spawn(move || {
                for turn in 0..EACH {
                    let mut taken = take_in_turn(seat);
                    step(&mut taken);
                    if (turn + caller) % 3 == 0 {
                        // A waiting call releases the value and keeps the permit.
                        let (permit, value) = taken.split();
                        drop(value);
                        assert!(seat.is_acquired_here());
                        step(&mut permit.take());
                    }
                }
            });
        }
        for _ in 0..2 {
            s.spawn(|| {
                for _ in 0..EACH {
                    match seat.enter() {
                        Some(mut entered) => step(entered.parts().0),
                        None => thread::yield_now(),
                    }
                }
            });
            s.spawn(|| {
                for turn in 0..EACH {
                    match seat.enter() {
                        Some(entered) if turn % 2 == 0 => step(&mut entered.hold()),
                        Some(entered) => {
                            let mut ending = entered.hold().enter();
                            step(ending.parts().0);
                            ending.end();
                        }
                        None => thread::yield_now(),
                    }
                }
            });
            s.spawn(|| {
                for turn in 0..EACH {
                    match if turn % 2 == 0 { seat.try_borrow() } else { Some(seat.borrow()) } {
                        Some(mut value) => step(&mut value),
                        None => thread::yield_now(),
                    }
                }
            });
        }
    });
    assert!(!seat.is_acquired());
    let taken = seat.try_take().expect("no thread has it or waits for it any more");
    assert!(taken.0 == taken.1 && taken.0 >= 6 * EACH + EACH, "{:?}", *taken);
}

#[test]
fn claim_goes_to_the_waiting_thread_before_a_returning_one() {
    let seat = Arc::new(seat_of(Vec::new()));
    let mut held = take_in_turn(&seat);
    let other = seat.clone();
    let waits = thread::spawn(move || take_in_turn(&other).push("waits"));
    while seat.word.load(Ordering::SeqCst) & IN_LINE == 0 {
        thread::yield_now();
    }
    held.push("holds");
    drop(held);
    take_in_turn(&seat).push("comes again");
    waits.join().unwrap();
    assert_eq!(*take_in_turn(&seat), ["holds", "waits", "comes again"]);
}

#[test]
fn held_claim_times_out_and_next_in_line_gets_it() {
    let seat = Arc::new(seat_of(()));
    let held = take_in_turn(&seat);
    let come = |time| {
        let seat = seat.clone();
        thread::spawn(move || seat.acquire(&mut patiently(time)).map(drop))
    };
    let brief = come(Duration::from_millis(50));
    while seat.word.load(Ordering::SeqCst) & IN_LINE == 0 && !brief.is_finished() {
        thread::yield_now();
    }
    let patient = come(PATIENCE);
    assert_eq!(brief.join().unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    drop(held);
    patient.join().unwrap().unwrap();
    assert!(seat.try_take().is_some());
}

#[test]
fn claim_is_refused_to_others_while_the_library_has_the_value_and_a_call_waits_for_it() {
    let seat = Arc::new(seat_of(0));
    let value = seat.try_borrow().unwrap();
    assert!(seat.try_take().is_none() && !seat.is_acquired());
    let first = seat.try_acquire().expect("the library has no permit");
    assert!(first.is_borrowed() && seat.is_acquired_here());
    let waited = Arc::new(AtomicBool::new(false));
    thread::scope(|s| {
        s.spawn(|| assert!(seat.try_acquire().is_none() && !seat.is_acquired_here()));
        s.spawn(|| {
            *seat.borrow() += 1;
            waited.store(true, Ordering::SeqCst);
        });
        while seat.word.load(Ordering::SeqCst) & AWAITED == 0 {
            thread::yield_now();
        }
        assert!(!waited.load(Ordering::SeqCst));
        drop(value);
    });
    assert_eq!(*first.take(), 1);
    assert!(seat.try_take().is_some());
}

#[test]
fn end_of_a_call_signals_the_descriptor_of_waiters_once() {
    use std::os::fd::AsFd;
    let readable = |ended: &EventFd| {
        let mut at_once = Waiting::at_once();
        crate::poll::wait_first(&mut at_once, &[ended.as_fd()]).is_ok()
    };
    let seat = seat_of(());
    let held = take_in_turn(&seat);
    let ended = seat.await_end().unwrap();
    assert!(seat.is_acquired() && !readable(ended));
    drop(held);
    assert!(!seat.is_acquired() && readable(ended));
    ended.drain();
    drop(take_in_turn(&seat));
    assert!(!readable(ended), "no thread waits for this one");
    let (permit, value) = take_in_turn(&seat).split();
    seat.await_end().unwrap();
    drop(value);
    assert!(!readable(ended), "the call goes on without the value");
    drop(permit);
    assert!(readable(ended));
}

#[test]
fn short_call_enters_only_a_cell_that_no_thread_has_or_awaits() {
    let seat = seat_of(1);
    *seat.enter().expect("no thread has it").parts().0 += 1;
    let held = take_in_turn(&seat);
    assert!(seat.enter().is_none(), "a call has it");
    let (permit, value) = held.split();
    drop(value);
    assert!(seat.enter().is_none(), "a call has the permit, and its message comes first");
    drop(permit);
    let value = seat.try_borrow().unwrap();
    assert!(seat.enter().is_none(), "the library has the value");
    assert_eq!(*value, 2);
    drop(value);
    assert!(seat.enter().is_some());
}

#[test]
fn call_holds_another_cell_and_others_wait_for_its_end() {
    let gate = Arc::new(Mutex::new(0));
    let (first, one) = (Seat::new((), gate.clone()), Arc::new(Seat::new(0, gate)));
    let hold = || first.enter().expect("no thread has it").try_hold(&one);
    let taken = one.try_take().unwrap();
    assert!(hold().is_none());
    drop(taken);
    let mut held = hold().expect("it is free");
    *held += 1;
    assert!(one.enter().is_none() && one.try_take().is_none() && one.try_borrow().is_none());
    assert!(one.try_acquire().is_none() && one.is_acquired() && one.is_acquired_here());
    let (permit, looked) = one.try_acquire_with(|gate, is_free| (*gate, is_free));
    assert!(permit.is_none() && looked == (0, false));
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(!one.is_acquired_here());
            *take_in_turn_of(&one) += 1;
        });
        scope.spawn(|| *one.borrow() += 1);
        while one.word.load(Ordering::SeqCst) & (IN_LINE | AWAITED) != IN_LINE | AWAITED {
            thread::yield_now();
        }
        assert_eq!(*held, 1);
        let mut ending = held.enter();
        *ending.parts().1 += 1;
        ending.end();
    });
    assert_eq!(*one.try_take().expect("no thread has it any more"), 3);
    drop(hold().unwrap().enter().go_on());
    assert!(one.enter().is_some());
    let held = one.enter().unwrap().hold();
    assert!(one.try_take().is_none());
    held.enter().end();
    assert!(one.try_take().is_some());
}

/// A thread leaves the line when its condition is true, and the next one has the permit.
#[test]
fn waiter_leaves_the_line_when_it_is_done() {
    let seat = Seat::new((), Arc::new(Mutex::new(None::<thread::Thread>)));
    let is_done = |gate: &mut Option<thread::Thread>| {
        gate.take_if(|asked| asked.id() == thread::current().id()).is_some()
    };
    assert!(seat.acquire_unless(&mut patiently(PATIENCE), is_done).unwrap().is_some(), "no thread has it");
    let held = seat.try_acquire().unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| seat.acquire_unless(&mut patiently(PATIENCE), is_done).unwrap().is_none());
        let in_line = |count| {
            while seat.line(&mut lock(&seat.gate)).acquiring.len() != count {
                thread::yield_now()
            }
        };
        in_line(1);
        let second =
            scope.spawn(|| seat.acquire_unless(&mut patiently(PATIENCE), |_| false).unwrap().is_some());
        in_line(2);
        *lock(&seat.gate) = Some(first.thread().clone());
        first.thread().unpark();
        assert!(first.join().unwrap(), "it is done, and the permit is another's");
        assert!(!second.is_finished());
        drop(held);
        assert!(second.join().unwrap());
    });
    let error = {
        let _held = seat.try_acquire().unwrap();
        seat.acquire_unless(&mut patiently(Duration::ZERO), |_| false).map(drop).unwrap_err()
    };
    assert_eq!(error.kind(), crate::error::ErrorKind::Timeout);
    assert!(seat.try_acquire().is_some());
}

fn take_in_turn_of<T, G>(seat: &Seat<T, G>) -> Lease<'_, T, G> {
    seat.try_take().unwrap_or_else(|| seat.acquire(&mut patiently(PATIENCE)).unwrap().take())
}
