//! One decision at a time: what an outbox keeps and sends again, what an inbox takes and says.

use super::super::options::Acknowledge;
use super::inbox::{AckTrigger, AckUrgency, Verdict};
use super::outbox::{Incarnation, Order};
use super::{Hello, Identity, Inbox, Outbox, Owner, Received, ReplayLimits, RetransmitClass};
use crate::error::ErrorKind;

const LIMITS: ReplayLimits = ReplayLimits { count: 8, bytes: 100 };
const OURS: u64 = 10;
const THEIRS: u64 = 20;

fn outbox() -> Outbox<&'static str> {
    Outbox::new(OURS, Some(LIMITS))
}

fn hello(session: u64, taken: u64, consumed: u64) -> Hello {
    Hello { session, first: 1, keeps: Some(LIMITS), received: Received { session: OURS, taken, consumed } }
}

fn send(outbox: &mut Outbox<&'static str>, class: RetransmitClass, message: &'static str) -> u64 {
    let next = outbox.offer();
    assert_eq!(outbox.sent(class, message.len(), || message), next);
    next
}

fn replay(outbox: &mut Outbox<&'static str>) -> Vec<(u64, &'static str)> {
    let mut all = Vec::new();
    while let Order::Replay { message, number } = outbox.order() {
        all.push((number, *message));
        outbox.replayed(number);
    }
    all
}

fn inbox(how: Acknowledge) -> Inbox {
    let mut inbox = Inbox::new(how);
    inbox.hello(&hello(THEIRS, 0, 0));
    inbox
}

fn take(inbox: &mut Inbox, number: u64) {
    assert_eq!(inbox.take(number, 10, AckUrgency::Soon).unwrap(), Verdict::New { missed: 0 });
}

#[test]
fn inbox_that_takes_and_gives_in_one_step_ends_as_in_two() {
    let mut at_once = inbox(Acknowledge::Auto);
    let mut in_steps = at_once.clone();
    for number in [1, 2, 2, 5, 3, 6] {
        at_once.consumed();
        in_steps.consumed();
        let verdict = in_steps.take(number, 10, AckUrgency::Soon).unwrap();
        if verdict != Verdict::Duplicate {
            in_steps.given(THEIRS, number);
        }
        assert_eq!(at_once.take_and_give(number, 10, AckUrgency::Soon).unwrap(), verdict);
        assert_eq!(format!("{at_once:?}"), format!("{in_steps:?}"), "after {number}");
    }
    at_once.consumed();
    assert_eq!((at_once.received().taken, at_once.received().consumed), (6, 6));
    assert!(at_once.take_and_give(0, 10, AckUrgency::Soon).is_err());
}

/// Histories in which one message, several or none are open when the next is received, and in which some were finished or acknowledged.
#[test]
fn inbox_that_consumes_and_gives_in_one_step_ends_as_in_two() {
    let steps =
        [(1, 0), (2, 0), (3, 1), (5, 2), (6, 0), (7, 3), (8, 0), (9, 4), (10, 0), (12, 0), (13, 5), (14, 0)];
    let worths = [AckUrgency::Soon, AckUrgency::Sometime, AckUrgency::Nothing];
    for how in [Acknowledge::Auto, Acknowledge::Manual] {
        for keeps in [Some(LIMITS), None] {
            let mut at_once = Inbox::new(how);
            at_once.hello(&Hello { keeps, ..hello(THEIRS, 0, 0) });
            let mut in_steps = at_once.clone();
            for (number, before) in steps {
                for inbox in [&mut at_once, &mut in_steps] {
                    match before {
                        1 => drop(inbox.take(number - 1, 10, AckUrgency::Soon)),
                        2 => inbox.finished(THEIRS, 3),
                        3 => inbox.said_in_passing(THEIRS, 5),
                        4 => inbox.acknowledge(THEIRS, 8),
                        5 => drop(inbox.take_and_give(number - 1, 10, AckUrgency::Nothing)),
                        _ => {}
                    }
                }
                let (bytes, urgency) = (number as usize, worths[number as usize % 3]);
                in_steps.consumed();
                let expected = in_steps.take_and_give(number, bytes, urgency);
                let verdict = at_once.consume_and_give(number, bytes, urgency);
                assert_eq!(verdict.ok(), expected.ok(), "{how:?}, {keeps:?}, {number}");
                assert_eq!(
                    format!("{at_once:?}"),
                    format!("{in_steps:?}"),
                    "{how:?}, {keeps:?}, after {number}"
                );
            }
            assert_eq!(at_once.consume_and_give(14, 1, AckUrgency::Soon).unwrap(), Verdict::Duplicate);
            assert!(at_once.consume_and_give(0, 1, AckUrgency::Soon).is_err());
        }
    }
}

#[test]
fn what_is_not_acknowledged_goes_to_the_next_incarnation_in_order() {
    let mut outbox = outbox();
    let up = outbox.link_up(&hello(THEIRS, 0, 0), Identity::Listener).unwrap();
    assert_eq!(up.incarnation, Incarnation::First);
    for message in ["a", "b", "c", "d"] {
        send(&mut outbox, RetransmitClass::Data, message);
    }
    assert_eq!(outbox.acknowledged(2).unwrap(), 2);
    // The same one has three of them: it is not given the third again.
    let up = outbox.link_up(&hello(THEIRS, 3, 2), Identity::Listener).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Same, 0));
    assert_eq!(replay(&mut outbox), [(4, "d")]);
    // It died with the third: its next incarnation is given that, too.
    let up = outbox.link_up(&hello(THEIRS + 1, 0, 0), Identity::Listener).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Next, 0));
    assert_eq!(outbox.first(), 3);
    assert_eq!(replay(&mut outbox), [(3, "c"), (4, "d")]);
    assert_eq!(outbox.order(), Order::New { number: 5 });
    assert_eq!(outbox.figures().replayed, 3);
}

#[test]
fn what_was_meant_for_a_nameless_peer_that_went_is_dropped_and_counted() {
    let mut outbox = outbox();
    outbox.link_up(&hello(THEIRS, 0, 0), Identity::of_dialler(Owner::Anyone, None, THEIRS)).unwrap();
    send(&mut outbox, RetransmitClass::Data, "a");
    send(&mut outbox, RetransmitClass::Data, "b");
    // Its cut link resumes.
    outbox.link_up(&hello(THEIRS, 1, 0), Identity::of_dialler(Owner::Anyone, None, THEIRS)).unwrap();
    assert_eq!(replay(&mut outbox), [(2, "b")]);
    let up = outbox.link_up(&hello(30, 0, 0), Identity::of_dialler(Owner::Anyone, None, 30)).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Another, 2));
    assert_eq!(outbox.order(), Order::New { number: 3 });
    assert_eq!((outbox.figures().dropped, outbox.unacknowledged().count), (2, 0));
}

#[test]
fn a_name_is_not_given_what_was_meant_for_another() {
    let mut outbox = outbox();
    outbox.link_up(&hello(THEIRS, 0, 0), Identity::of_dialler(Owner::Anyone, Some("panel"), THEIRS)).unwrap();
    send(&mut outbox, RetransmitClass::Data, "a");
    let up =
        outbox.link_up(&hello(30, 0, 0), Identity::of_dialler(Owner::Anyone, Some("logger"), 30)).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Another, 1));
    assert_eq!(replay(&mut outbox), []);
}

#[test]
fn a_peer_that_lies_is_refused_and_changes_nothing() {
    let mut outbox = outbox();
    outbox.link_up(&hello(THEIRS, 0, 0), Identity::Listener).unwrap();
    send(&mut outbox, RetransmitClass::Data, "a");
    for number in [2, 3, u64::MAX] {
        let error = outbox.acknowledged(number).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        for (taken, consumed) in [(number, 0), (0, number)] {
            let error = outbox.link_up(&hello(30, taken, consumed), Identity::Listener).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        }
    }
    assert_eq!(outbox.unacknowledged().count, 1);
    assert_eq!(outbox.peer(), Some((&Identity::Listener, THEIRS)));
    // What it says of another session of ours is no claim about this one.
    let mut stale = hello(30, 1000, 1000);
    stale.received.session = OURS + 1;
    outbox.link_up(&stale, Identity::Listener).unwrap();
    assert_eq!(replay(&mut outbox), [(1, "a")]);
}

#[test]
fn an_acknowledgement_may_be_quicker_than_the_thread_that_sends() {
    let mut outbox = outbox();
    outbox.link_up(&hello(THEIRS, 0, 0), Identity::Listener).unwrap();
    assert_eq!(outbox.acknowledged(1).unwrap_err().kind(), ErrorKind::Malformed, "nothing is under way");
    let number = outbox.offer();
    outbox.acknowledged(number).unwrap();
    outbox.sent(RetransmitClass::Data, 1, || panic!("it need not be kept"));
    assert_eq!((outbox.unacknowledged().count, outbox.kept()), (0, (0, 0)));
    send(&mut outbox, RetransmitClass::Data, "b");
    send(&mut outbox, RetransmitClass::Data, "c");
    outbox.link_up(&hello(30, 0, 0), Identity::Listener).unwrap();
    // While the second goes out again, it is acknowledged: the third is not skipped for it.
    let (_, number) = outbox.to_replay().unwrap();
    outbox.acknowledged(2).unwrap();
    outbox.replayed(number);
    assert_eq!(outbox.to_replay(), Some((&"c", 3)));
}

#[test]
fn an_answer_given_to_the_old_link_does_not_hide_what_the_new_one_is_to_have() {
    let mut outbox = outbox();
    outbox.link_up(&hello(THEIRS, 0, 0), Identity::Listener).unwrap();
    send(&mut outbox, RetransmitClass::IdempotentAnswer, "a");
    outbox.offer();
    outbox.link_up(&hello(THEIRS, 0, 0), Identity::Listener).unwrap();
    outbox.sent(RetransmitClass::IdempotentAnswer, 1, || "b");
    assert_eq!(replay(&mut outbox), [(1, "a"), (2, "b")]);
}

#[test]
fn an_old_acknowledgement_is_no_news() {
    let mut outbox = outbox();
    for message in ["a", "b", "c"] {
        send(&mut outbox, RetransmitClass::Data, message);
    }
    assert_eq!(outbox.acknowledged(2).unwrap(), 2);
    assert_eq!(outbox.acknowledged(1).unwrap(), 0);
    assert_eq!(outbox.acknowledged(2).unwrap(), 0);
    assert_eq!(outbox.figures().acknowledged, 2);
    assert_eq!(outbox.acknowledged(3).unwrap(), 1);
}

#[test]
fn room_ends_at_either_limit_and_comes_back_with_the_acknowledgement() {
    let mut outbox: Outbox<u8> = Outbox::new(OURS, Some(ReplayLimits { count: 3, bytes: 100 }));
    assert!(outbox.has_room(RetransmitClass::Data, 1000), "a message above the limit is kept alone");
    outbox.sent(RetransmitClass::Data, 1000, || 0);
    assert!(!outbox.has_room(RetransmitClass::Data, 0) && !outbox.has_room(RetransmitClass::Idempotent, 0));
    assert!(
        outbox.has_room(RetransmitClass::Request, 1) && outbox.has_room(RetransmitClass::IdempotentAnswer, 1)
    );
    outbox.sent(RetransmitClass::IdempotentAnswer, 1, || 1);
    assert_eq!(outbox.kept(), (1, 1000), "an answer without room goes out and is not kept");
    outbox.acknowledged(1).unwrap();
    outbox.sent(RetransmitClass::Data, 60, || 3);
    assert!(outbox.has_room(RetransmitClass::Data, 40) && !outbox.has_room(RetransmitClass::Data, 41));
    outbox.sent(RetransmitClass::Data, 0, || 4);
    outbox.sent(RetransmitClass::Data, 0, || 5);
    assert!(!outbox.has_room(RetransmitClass::Data, 0));
    outbox.acknowledged(3).unwrap();
    assert_eq!(outbox.kept(), (2, 0));
    assert!(outbox.has_room(RetransmitClass::Data, 100));
}

#[test]
fn best_effort_keeps_nothing_and_a_close_still_knows_what_to_wait_for() {
    let mut outbox: Outbox<&str> = Outbox::new(OURS, None);
    outbox.link_up(&hello(THEIRS, 0, 0), Identity::Listener).unwrap();
    for _ in 0..3 {
        assert!(outbox.has_room(RetransmitClass::Data, 1 << 40));
        outbox.sent(RetransmitClass::Data, 1, || panic!("nothing is kept"));
    }
    let left = outbox.unacknowledged();
    assert_eq!((left.count, left.bytes, left.last), (3, 0, 3));
    outbox.acknowledged(1).unwrap();
    assert_eq!(outbox.unacknowledged().count, 2);
    // What was on a link that broke is lost: nobody waits for it.
    outbox.link_up(&hello(THEIRS, 1, 1), Identity::Listener).unwrap();
    assert_eq!((outbox.unacknowledged().count, outbox.unacknowledged().last), (0, 0));
    assert_eq!((outbox.to_replay(), outbox.first()), (None, 4));
}

#[test]
fn requests_are_sent_again_only_where_that_does_no_harm() {
    let mut outbox = outbox();
    outbox.link_up(&hello(THEIRS, 0, 0), Identity::Listener).unwrap();
    send(&mut outbox, RetransmitClass::Idempotent, "ask");
    send(&mut outbox, RetransmitClass::Request, "do");
    send(&mut outbox, RetransmitClass::Answer, "reply");
    send(&mut outbox, RetransmitClass::IdempotentAnswer, "reply to ask");
    send(&mut outbox, RetransmitClass::Data, "a");
    // Having been read is no answer.
    outbox.acknowledged(3).unwrap();
    outbox.link_up(&hello(THEIRS, 1, 0), Identity::Listener).unwrap();
    assert_eq!(replay(&mut outbox), [(4, "reply to ask"), (5, "a")]);
    // To the next incarnation, the answer would mean another request.
    let up = outbox.link_up(&hello(30, 0, 0), Identity::Listener).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Next, 1));
    assert_eq!(replay(&mut outbox), [(1, "ask"), (5, "a")]);
    outbox.acknowledged(5).unwrap();
    assert_eq!(outbox.kept(), (1, 3));
    outbox.settled(1);
    assert_eq!(outbox.kept(), (0, 0));
}

#[test]
fn a_request_that_one_incarnation_read_reaches_the_next_over_a_link_that_broke_before() {
    let mut outbox = outbox();
    outbox.link_up(&hello(THEIRS, 0, 0), Identity::Listener).unwrap();
    send(&mut outbox, RetransmitClass::Idempotent, "ask");
    outbox.acknowledged(1).unwrap();
    for _ in 0..2 {
        outbox.link_up(&hello(30, 0, 0), Identity::Listener).unwrap();
        assert_eq!(outbox.to_replay(), Some((&"ask", 1)));
    }
}

#[test]
fn what_comes_twice_is_dropped_and_what_the_sender_does_not_keep_is_missed() {
    let mut inbox = Inbox::new(Acknowledge::Auto);
    inbox.hello(&Hello { keeps: None, first: 5, ..hello(THEIRS, 0, 0) });
    let mut verdict = |number| inbox.take(number, 1, AckUrgency::Soon).unwrap();
    assert_eq!(verdict(7), Verdict::New { missed: 2 });
    assert_eq!(verdict(7), Verdict::Duplicate);
    assert_eq!(verdict(6), Verdict::Duplicate);
    assert_eq!(verdict(8), Verdict::New { missed: 0 });
    // The same session over another link: what was lost with the last one is missed.
    inbox.hello(&Hello { keeps: None, first: 12, ..hello(THEIRS, 0, 0) });
    assert_eq!(inbox.take(12, 1, AckUrgency::Soon).unwrap(), Verdict::New { missed: 3 });
    let figures = inbox.figures();
    assert_eq!((figures.missed, figures.duplicates), (5, 2));
    assert_eq!(inbox.take(0, 1, AckUrgency::Soon).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(inbox.take(u64::MAX, 1, AckUrgency::Soon).unwrap(), Verdict::New { missed: u64::MAX - 13 });
    assert_eq!(inbox.take(u64::MAX, 1, AckUrgency::Soon).unwrap(), Verdict::Duplicate);
}

#[test]
fn gaps_in_what_is_kept_are_requests_and_nothing_missed() {
    let mut inbox = inbox(Acknowledge::Auto);
    take(&mut inbox, 3);
    take(&mut inbox, 9);
    assert_eq!(inbox.figures().missed, 0);
}

#[test]
fn consumed_is_what_the_next_call_says() {
    let mut inbox = inbox(Acknowledge::Auto);
    take(&mut inbox, 1);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(THEIRS), 0, "it was not given to anybody");
    inbox.given(THEIRS, 1);
    assert_eq!(inbox.ack_due(AckTrigger::Sleeping, THEIRS), None);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(THEIRS), 1);
    assert_eq!(inbox.received(), Received { session: THEIRS, taken: 1, consumed: 1 });
}

#[test]
fn what_waits_in_a_local_queue_is_not_consumed_by_what_overtook_it() {
    let mut inbox = inbox(Acknowledge::Auto);
    take(&mut inbox, 1);
    take(&mut inbox, 2);
    take(&mut inbox, 3);
    // The second was the answer that a caller waited for.
    inbox.finished(THEIRS, 2);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(THEIRS), 0);
    inbox.given(THEIRS, 1);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(THEIRS), 2);
    assert_eq!(inbox.figures().unconsumed, 1);
}

#[test]
fn manual_waits_for_the_program() {
    let mut inbox = inbox(Acknowledge::Manual);
    for number in 1..=4 {
        take(&mut inbox, number);
        inbox.given(THEIRS, number);
        inbox.consumed();
    }
    assert_eq!(inbox.to_piggyback(THEIRS), 0);
    inbox.acknowledge(THEIRS, 2);
    assert_eq!(inbox.to_piggyback(THEIRS), 2);
    take(&mut inbox, 5);
    inbox.acknowledge(THEIRS, u64::MAX);
    assert_eq!(inbox.to_piggyback(THEIRS), 4, "the fifth was not given yet");
    inbox.given(THEIRS, 5);
    inbox.acknowledge(THEIRS + 1, u64::MAX);
    assert_eq!(inbox.to_piggyback(THEIRS), 4, "that was about another session");
}

#[test]
fn numbers_of_one_session_are_not_said_to_another() {
    let mut inbox = inbox(Acknowledge::Auto);
    take(&mut inbox, 1);
    inbox.given(THEIRS, 1);
    inbox.consumed();
    for trigger in [AckTrigger::Passing, AckTrigger::Sleeping, AckTrigger::Leaving] {
        assert_eq!(inbox.ack_due(trigger, 30), None, "{trigger:?}");
    }
    assert_eq!(inbox.ack_due(AckTrigger::Asked, 30), Some(0));
    assert_eq!(inbox.to_piggyback(30), 0);
    inbox.said(30, 1);
    assert_eq!(inbox.ack_due(AckTrigger::Leaving, THEIRS), Some(1));
    // The sender started anew: what the program still has of the last session counts for nobody.
    take(&mut inbox, 2);
    inbox.hello(&hello(30, 0, 0));
    inbox.given(THEIRS, 2);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(30), 0);
    take(&mut inbox, 1);
}

#[test]
fn an_acknowledgement_is_due_before_sleeping_and_not_after_every_message() {
    let mut inbox = Inbox::new(Acknowledge::Auto);
    let keeps = Some(ReplayLimits { count: 1000, bytes: 100_000 });
    inbox.hello(&Hello { keeps, ..hello(THEIRS, 0, 0) });
    let mut number = 0;
    let mut consume = |inbox: &mut Inbox, bytes, urgency| {
        number += 1;
        inbox.take(number, bytes, urgency).unwrap();
        inbox.given(THEIRS, number);
        inbox.consumed();
    };
    for _ in 0..63 {
        consume(&mut inbox, 1, AckUrgency::Soon);
        assert_eq!(inbox.ack_due(AckTrigger::Passing, THEIRS), None);
    }
    assert_eq!(inbox.ack_due(AckTrigger::Sleeping, THEIRS), Some(63));
    consume(&mut inbox, 1, AckUrgency::Soon);
    assert_eq!(inbox.ack_due(AckTrigger::Passing, THEIRS), Some(64));
    inbox.said(THEIRS, 64);
    assert_eq!(inbox.ack_due(AckTrigger::Sleeping, THEIRS), None);
    assert_eq!(inbox.ack_due(AckTrigger::Asked, THEIRS), Some(64));
    consume(&mut inbox, 25_001, AckUrgency::Soon);
    assert_eq!(inbox.ack_due(AckTrigger::Passing, THEIRS), Some(65), "a quarter of what the sender may keep");
    inbox.said(THEIRS, 65);
    for _ in 0..1000 {
        consume(&mut inbox, 1000, AckUrgency::Nothing);
        assert_eq!(inbox.ack_due(AckTrigger::Passing, THEIRS), None);
        assert_eq!(inbox.ack_due(AckTrigger::Sleeping, THEIRS), None, "calls cost no frames");
    }
    assert_eq!(inbox.ack_due(AckTrigger::Leaving, THEIRS), Some(1065));
    consume(&mut inbox, 1, AckUrgency::Sometime);
    assert_eq!(inbox.ack_due(AckTrigger::Sleeping, THEIRS), None);
}

#[test]
fn a_sender_with_a_small_store_is_told_earlier() {
    let mut inbox = inbox(Acknowledge::Auto);
    for number in 1..=2 {
        assert_eq!(inbox.ack_due(AckTrigger::Passing, THEIRS), None);
        inbox.take(number, 1, AckUrgency::Soon).unwrap();
        inbox.given(THEIRS, number);
        inbox.consumed();
    }
    assert_eq!(inbox.ack_due(AckTrigger::Passing, THEIRS), Some(2), "a quarter of eight");
}

#[test]
fn what_was_said_on_a_link_that_broke_is_said_again() {
    let mut inbox = inbox(Acknowledge::Auto);
    take(&mut inbox, 1);
    inbox.given(THEIRS, 1);
    inbox.consumed();
    inbox.said(THEIRS, 1);
    assert_eq!(inbox.ack_due(AckTrigger::Sleeping, THEIRS), None);
    inbox.hello(&hello(THEIRS, 0, 0));
    assert_eq!(inbox.ack_due(AckTrigger::Sleeping, THEIRS), Some(1));
}
