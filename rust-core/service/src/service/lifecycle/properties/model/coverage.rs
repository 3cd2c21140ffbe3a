//! Counts the events of the histories, and checks that each has happened often enough.

use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    static SEEN: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts an event that the histories must contain.
pub fn count_event(what: &'static str) {
    SEEN.with_borrow_mut(|seen| *seen.entry(what).or_default() += 1);
}

/// Checks that each event has happened often: histories without an event prove nothing about it.
pub fn check_coverage() {
    let wanted = [
        "repeated",
        "flood",
        "done",
        "failed by its hook",
        "late",
        "late under way",
        "known data",
        "cancelled",
        "displaced",
        "rejected",
        "full",
        "second shutdown",
        "left open",
        "step",
        "fail",
        "fail under way",
        "done after failing",
        "shutdown at start",
        "shutdown failed",
        "ended",
    ];
    SEEN.with_borrow(|seen| {
        println!("{seen:?}");
        for what in wanted {
            assert!(seen.get(what).is_some_and(|count| *count > 20), "{what} hardly ever happened");
        }
    });
}
