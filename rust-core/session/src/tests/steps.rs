//! The record of one step equals the record of two steps.

use super::*;

#[test]
fn received_and_delivered_equals_two_steps() {
    let mut at_once = inbox(Acknowledge::Auto);
    let mut in_steps = at_once.clone();
    for number in [1, 2, 2, 5, 3, 6] {
        at_once.consumed();
        in_steps.consumed();
        let verdict = in_steps.received(number, 10, AckUrgency::Prompt, Fate::Filed).unwrap();
        if verdict != Verdict::Duplicate {
            in_steps.delivered(PEER_SESSION, number);
        }
        assert_eq!(at_once.received(number, 10, AckUrgency::Prompt, Fate::Delivered).unwrap(), verdict);
        assert_eq!(format!("{at_once:?}"), format!("{in_steps:?}"), "after {number}");
    }
    at_once.consumed();
    assert_eq!((at_once.progress().received, at_once.progress().consumed), (6, 6));
    assert!(at_once.received(0, 10, AckUrgency::Prompt, Fate::Delivered).is_err());
}

#[test]
fn received_and_finished_equals_two_steps() {
    for keeps in [Some(LIMITS), None] {
        let mut at_once = Inbox::new(Acknowledge::Auto);
        at_once.hello(&SessionHello { keeps, ..hello(PEER_SESSION, 0, 0) });
        let mut in_steps = at_once.clone();
        for (number, before) in [(1, 0), (2, 0), (2, 0), (4, 1), (6, 2), (9, 0), (12, 3), (13, 0), (15, 4)] {
            for inbox in [&mut at_once, &mut in_steps] {
                match before {
                    1 => drop(inbox.received(number - 1, 10, AckUrgency::Prompt, Fate::Filed)),
                    2 => drop(inbox.received(number - 1, 10, AckUrgency::Prompt, Fate::Delivered)),
                    3 => inbox.finished(PEER_SESSION, 3),
                    4 => inbox.consumed(),
                    _ => {}
                }
            }
            let urgency = if number % 2 == 0 { AckUrgency::NotNeeded } else { AckUrgency::Piggyback };
            let expected = in_steps.received(number, 7, urgency, Fate::Filed).unwrap();
            if expected != Verdict::Duplicate {
                in_steps.finished(PEER_SESSION, number);
            }
            assert_eq!(at_once.received(number, 7, urgency, Fate::Finished).unwrap(), expected);
            assert_eq!(format!("{at_once:?}"), format!("{in_steps:?}"), "{keeps:?}, after {number}");
        }
        assert!(at_once.received(0, 7, AckUrgency::NotNeeded, Fate::Finished).is_err());
    }
}

#[test]
fn received_after_consumption_equals_two_steps() {
    let steps =
        [(1, 0), (2, 0), (3, 1), (5, 2), (6, 0), (7, 3), (8, 0), (9, 4), (10, 0), (12, 0), (13, 5), (14, 0)];
    let worths = [AckUrgency::Prompt, AckUrgency::Piggyback, AckUrgency::NotNeeded];
    for how in [Acknowledge::Auto, Acknowledge::Manual] {
        for keeps in [Some(LIMITS), None] {
            let mut at_once = Inbox::new(how);
            at_once.hello(&SessionHello { keeps, ..hello(PEER_SESSION, 0, 0) });
            let mut in_steps = at_once.clone();
            for (number, before) in steps {
                for inbox in [&mut at_once, &mut in_steps] {
                    match before {
                        1 => drop(inbox.received(number - 1, 10, AckUrgency::Prompt, Fate::Filed)),
                        2 => inbox.finished(PEER_SESSION, 3),
                        3 => inbox.piggybacked(PEER_SESSION, 5),
                        4 => inbox.acknowledge(PEER_SESSION, 8),
                        5 => drop(inbox.received(number - 1, 10, AckUrgency::NotNeeded, Fate::Delivered)),
                        _ => {}
                    }
                }
                let (bytes, urgency) = (number as usize, worths[number as usize % 3]);
                in_steps.consumed();
                let expected = in_steps.received(number, bytes, urgency, Fate::Delivered);
                let verdict = at_once.received(number, bytes, urgency, Fate::DeliveredNext);
                assert_eq!(verdict.ok(), expected.ok(), "{how:?}, {keeps:?}, {number}");
                assert_eq!(
                    format!("{at_once:?}"),
                    format!("{in_steps:?}"),
                    "{how:?}, {keeps:?}, after {number}"
                );
            }
            assert_eq!(
                at_once.received(14, 1, AckUrgency::Prompt, Fate::DeliveredNext).unwrap(),
                Verdict::Duplicate
            );
            assert!(at_once.received(0, 1, AckUrgency::Prompt, Fate::DeliveredNext).is_err());
        }
    }
}
