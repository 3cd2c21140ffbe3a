//! Single decisions: the messages that an outbox keeps and sends again, the numbers that an inbox accepts and
//! acknowledges.

use super::connection::{Content, Control, Obstacle, Page, Terms, Ticket, Tried, Unless};
use super::inbox::{AckTrigger, AckUrgency, Acknowledge, Fate, Verdict};
use super::outbox::Incarnation;
use super::{
    Connection, Identity, Inbox, Outbox, Owner, Progress, ReplayLimits, RetransmitClass, SessionHello,
};
use crate::error::ErrorKind;

const LIMITS: ReplayLimits = ReplayLimits { count: 8, bytes: 100 };
const OWN_SESSION: u64 = 10;
const PEER_SESSION: u64 = 20;

fn outbox() -> Outbox<&'static str> {
    Outbox::new(OWN_SESSION, Some(LIMITS))
}

fn hello(session: u64, received: u64, consumed: u64) -> SessionHello {
    SessionHello {
        session,
        first: 1,
        keeps: Some(LIMITS),
        received: Progress { session: OWN_SESSION, received, consumed },
    }
}

fn send(outbox: &mut Outbox<&'static str>, class: RetransmitClass, message: &'static str) -> u64 {
    let next = outbox.assign_number();
    assert_eq!(outbox.sent(class, message.len(), || message), next);
    next
}

fn replay(outbox: &mut Outbox<&'static str>) -> Vec<(u64, &'static str)> {
    let mut all = Vec::new();
    while let Some((message, number)) = outbox.to_replay() {
        all.push((number, *message));
        outbox.replayed(number);
    }
    all
}

fn inbox(how: Acknowledge) -> Inbox {
    let mut inbox = Inbox::new(how);
    inbox.hello(&hello(PEER_SESSION, 0, 0));
    inbox
}

fn take(inbox: &mut Inbox, number: u64) {
    assert_eq!(
        inbox.received(number, 10, AckUrgency::Prompt, Fate::Filed).unwrap(),
        Verdict::New { missed: 0 }
    );
}

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

/// Answers that find the window empty, and those behind messages of either state.
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

/// Histories in which one message, several or none are open when the next is received, and in which some were
/// finished or acknowledged.
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

#[test]
fn unacknowledged_messages_go_to_next_incarnation_in_order() {
    let mut outbox = outbox();
    let up = outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    assert_eq!(up.incarnation, Incarnation::First);
    for message in ["a", "b", "c", "d"] {
        send(&mut outbox, RetransmitClass::Data, message);
    }
    assert_eq!(outbox.acknowledged(2).unwrap(), 2);
    // The same incarnation has three of them: the third is not delivered again.
    let up = outbox.link_up(&hello(PEER_SESSION, 3, 2), Identity::Listener).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Same, 0));
    assert_eq!(replay(&mut outbox), [(4, "d")]);
    // It ended without consuming the third: its next incarnation gets that, too.
    let up = outbox.link_up(&hello(PEER_SESSION + 1, 0, 0), Identity::Listener).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Next, 0));
    assert_eq!(outbox.first(), 3);
    assert_eq!(replay(&mut outbox), [(3, "c"), (4, "d")]);
    assert_eq!((outbox.to_replay(), outbox.next_number()), (None, 5));
    assert_eq!(outbox.stats().replayed, 3);
}

#[test]
fn messages_for_lost_nameless_peer_are_dropped_and_counted() {
    let mut outbox = outbox();
    outbox
        .link_up(&hello(PEER_SESSION, 0, 0), Identity::of_dialler(Owner::Anyone, None, PEER_SESSION))
        .unwrap();
    send(&mut outbox, RetransmitClass::Data, "a");
    send(&mut outbox, RetransmitClass::Data, "b");
    // Its link breaks, and the session continues over the next.
    outbox
        .link_up(&hello(PEER_SESSION, 1, 0), Identity::of_dialler(Owner::Anyone, None, PEER_SESSION))
        .unwrap();
    assert_eq!(replay(&mut outbox), [(2, "b")]);
    let up = outbox.link_up(&hello(30, 0, 0), Identity::of_dialler(Owner::Anyone, None, 30)).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Another, 2));
    assert_eq!((outbox.to_replay(), outbox.next_number()), (None, 3));
    assert_eq!((outbox.stats().dropped, outbox.unacknowledged().count), (2, 0));
}

#[test]
fn messages_kept_for_one_name_do_not_go_to_another() {
    let mut outbox = outbox();
    outbox
        .link_up(&hello(PEER_SESSION, 0, 0), Identity::of_dialler(Owner::Anyone, Some("panel"), PEER_SESSION))
        .unwrap();
    send(&mut outbox, RetransmitClass::Data, "a");
    let up =
        outbox.link_up(&hello(30, 0, 0), Identity::of_dialler(Owner::Anyone, Some("logger"), 30)).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Another, 1));
    assert_eq!(replay(&mut outbox), []);
}

#[test]
fn impossible_acknowledgement_is_malformed_and_changes_nothing() {
    let mut outbox = outbox();
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    send(&mut outbox, RetransmitClass::Data, "a");
    for number in [2, 3, u64::MAX] {
        let error = outbox.acknowledged(number).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        for (received, consumed) in [(number, 0), (0, number)] {
            let error = outbox.link_up(&hello(30, received, consumed), Identity::Listener).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        }
    }
    assert_eq!(outbox.unacknowledged().count, 1);
    assert_eq!(outbox.peer(), Some((&Identity::Listener, PEER_SESSION)));
    // Its progress in another session of this side is no claim about this one.
    let mut stale = hello(30, 1000, 1000);
    stale.received.session = OWN_SESSION + 1;
    outbox.link_up(&stale, Identity::Listener).unwrap();
    assert_eq!(replay(&mut outbox), [(1, "a")]);
}

#[test]
fn acknowledgement_before_sent_is_accepted() {
    let mut outbox = outbox();
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    assert_eq!(outbox.acknowledged(1).unwrap_err().kind(), ErrorKind::Malformed, "nothing is under way");
    let number = outbox.assign_number();
    outbox.acknowledged(number).unwrap();
    outbox.sent(RetransmitClass::Data, 1, || panic!("it need not be kept"));
    assert_eq!((outbox.unacknowledged().count, outbox.kept()), (0, (0, 0)));
    send(&mut outbox, RetransmitClass::Data, "b");
    send(&mut outbox, RetransmitClass::Data, "c");
    outbox.link_up(&hello(30, 0, 0), Identity::Listener).unwrap();
    // While the second is sent again, it is acknowledged: the third is not skipped because of that.
    let (_, number) = outbox.to_replay().unwrap();
    outbox.acknowledged(2).unwrap();
    outbox.replayed(number);
    assert_eq!(outbox.to_replay(), Some((&"c", 3)));
}

#[test]
fn answer_sent_on_old_link_does_not_skip_replay_on_new_link() {
    let mut outbox = outbox();
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    send(&mut outbox, RetransmitClass::IdempotentAnswer, "a");
    outbox.assign_number();
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    outbox.sent(RetransmitClass::IdempotentAnswer, 1, || "b");
    assert_eq!(replay(&mut outbox), [(1, "a"), (2, "b")]);
}

#[test]
fn older_acknowledgement_changes_nothing() {
    let mut outbox = outbox();
    for message in ["a", "b", "c"] {
        send(&mut outbox, RetransmitClass::Data, message);
    }
    assert_eq!(outbox.acknowledged(2).unwrap(), 2);
    assert_eq!(outbox.acknowledged(1).unwrap(), 0);
    assert_eq!(outbox.acknowledged(2).unwrap(), 0);
    assert_eq!(outbox.stats().acknowledged, 2);
    assert_eq!(outbox.acknowledged(3).unwrap(), 1);
}

#[test]
fn room_ends_at_either_limit_and_returns_with_acknowledgement() {
    let mut outbox: Outbox<u8> = Outbox::new(OWN_SESSION, Some(ReplayLimits { count: 3, bytes: 100 }));
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
fn best_effort_keeps_nothing_but_counts_unacknowledged() {
    let mut outbox: Outbox<&str> = Outbox::new(OWN_SESSION, None);
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    for _ in 0..3 {
        assert!(outbox.has_room(RetransmitClass::Data, 1 << 40));
        outbox.sent(RetransmitClass::Data, 1, || panic!("nothing is kept"));
    }
    let left = outbox.unacknowledged();
    assert_eq!((left.count, left.bytes, left.last), (3, 0, 3));
    outbox.acknowledged(1).unwrap();
    assert_eq!(outbox.unacknowledged().count, 2);
    // Messages on a link that broke are lost: no acknowledgement of them is expected.
    outbox.link_up(&hello(PEER_SESSION, 1, 1), Identity::Listener).unwrap();
    assert_eq!((outbox.unacknowledged().count, outbox.unacknowledged().last), (0, 0));
    assert_eq!((outbox.to_replay(), outbox.first()), (None, 4));
}

#[test]
fn only_idempotent_requests_are_sent_again() {
    let mut outbox = outbox();
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    send(&mut outbox, RetransmitClass::Idempotent, "ask");
    send(&mut outbox, RetransmitClass::Request, "do");
    send(&mut outbox, RetransmitClass::Answer, "reply");
    send(&mut outbox, RetransmitClass::IdempotentAnswer, "reply to ask");
    send(&mut outbox, RetransmitClass::Data, "a");
    // Requests that were received still have no answer.
    outbox.acknowledged(3).unwrap();
    outbox.link_up(&hello(PEER_SESSION, 1, 0), Identity::Listener).unwrap();
    assert_eq!(replay(&mut outbox), [(4, "reply to ask"), (5, "a")]);
    // To the next incarnation, the number in the answer would mean another request.
    let up = outbox.link_up(&hello(30, 0, 0), Identity::Listener).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Next, 1));
    assert_eq!(replay(&mut outbox), [(1, "ask"), (5, "a")]);
    outbox.acknowledged(5).unwrap();
    assert_eq!(outbox.kept(), (1, 3));
    outbox.finish_request(1);
    assert_eq!(outbox.kept(), (0, 0));
}

#[test]
fn answer_that_was_kept_and_not_sent_goes_over_the_link_that_is_there() {
    let mut outbox = outbox();
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    send(&mut outbox, RetransmitClass::Data, "a");
    for reply in ["one", "two"] {
        let number = send(&mut outbox, RetransmitClass::IdempotentAnswer, reply);
        outbox.unsent(number);
    }
    assert_eq!(replay(&mut outbox), [(2, "one"), (3, "two")]);
    send(&mut outbox, RetransmitClass::Data, "b");
    assert_eq!(replay(&mut outbox), []);
}

#[test]
fn request_received_by_ended_incarnation_is_replayed_to_next() {
    let mut outbox = outbox();
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    send(&mut outbox, RetransmitClass::Idempotent, "ask");
    outbox.acknowledged(1).unwrap();
    for _ in 0..2 {
        outbox.link_up(&hello(30, 0, 0), Identity::Listener).unwrap();
        assert_eq!(outbox.to_replay(), Some((&"ask", 1)));
    }
}

#[test]
fn duplicates_are_dropped_and_gaps_of_best_effort_are_missed() {
    let mut inbox = Inbox::new(Acknowledge::Auto);
    inbox.hello(&SessionHello { keeps: None, first: 5, ..hello(PEER_SESSION, 0, 0) });
    let mut verdict = |number| inbox.received(number, 1, AckUrgency::Prompt, Fate::Filed).unwrap();
    assert_eq!(verdict(7), Verdict::New { missed: 2 });
    assert_eq!(verdict(7), Verdict::Duplicate);
    assert_eq!(verdict(6), Verdict::Duplicate);
    assert_eq!(verdict(8), Verdict::New { missed: 0 });
    // The same session over another link: messages lost with the last one are missed.
    inbox.hello(&SessionHello { keeps: None, first: 12, ..hello(PEER_SESSION, 0, 0) });
    assert_eq!(inbox.received(12, 1, AckUrgency::Prompt, Fate::Filed).unwrap(), Verdict::New { missed: 3 });
    let stats = inbox.stats();
    assert_eq!((stats.missed, stats.duplicates), (5, 2));
    assert_eq!(
        inbox.received(0, 1, AckUrgency::Prompt, Fate::Filed).unwrap_err().kind(),
        ErrorKind::Malformed
    );
    assert_eq!(
        inbox.received(u64::MAX, 1, AckUrgency::Prompt, Fate::Filed).unwrap(),
        Verdict::New { missed: u64::MAX - 13 }
    );
    assert_eq!(inbox.received(u64::MAX, 1, AckUrgency::Prompt, Fate::Filed).unwrap(), Verdict::Duplicate);
}

#[test]
fn gaps_in_kept_messages_are_not_missed() {
    let mut inbox = inbox(Acknowledge::Auto);
    take(&mut inbox, 3);
    take(&mut inbox, 9);
    assert_eq!(inbox.stats().missed, 0);
}

#[test]
fn next_receive_consumes_delivered_messages() {
    let mut inbox = inbox(Acknowledge::Auto);
    take(&mut inbox, 1);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(PEER_SESSION), 0, "it was not delivered");
    inbox.delivered(PEER_SESSION, 1);
    assert_eq!(inbox.ack_due(AckTrigger::Park, PEER_SESSION), None);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(PEER_SESSION), 1);
    assert_eq!(inbox.progress(), Progress { session: PEER_SESSION, received: 1, consumed: 1 });
}

#[test]
fn undelivered_message_holds_back_the_consumed_number() {
    let mut inbox = inbox(Acknowledge::Auto);
    take(&mut inbox, 1);
    take(&mut inbox, 2);
    take(&mut inbox, 3);
    // The second was the answer that a caller waited for.
    inbox.finished(PEER_SESSION, 2);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(PEER_SESSION), 0);
    inbox.delivered(PEER_SESSION, 1);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(PEER_SESSION), 2);
    assert_eq!(inbox.stats().unconsumed, 1);
}

#[test]
fn manual_acknowledgement_waits_for_the_program() {
    let mut inbox = inbox(Acknowledge::Manual);
    for number in 1..=4 {
        take(&mut inbox, number);
        inbox.delivered(PEER_SESSION, number);
        inbox.consumed();
    }
    assert_eq!(inbox.to_piggyback(PEER_SESSION), 0);
    inbox.acknowledge(PEER_SESSION, 2);
    assert_eq!(inbox.to_piggyback(PEER_SESSION), 2);
    take(&mut inbox, 5);
    inbox.acknowledge(PEER_SESSION, u64::MAX);
    assert_eq!(inbox.to_piggyback(PEER_SESSION), 4, "the fifth was not given yet");
    inbox.delivered(PEER_SESSION, 5);
    inbox.acknowledge(PEER_SESSION + 1, u64::MAX);
    assert_eq!(inbox.to_piggyback(PEER_SESSION), 4, "that was about another session");
}

#[test]
fn numbers_of_one_session_are_not_acknowledged_to_another() {
    let mut inbox = inbox(Acknowledge::Auto);
    take(&mut inbox, 1);
    inbox.delivered(PEER_SESSION, 1);
    inbox.consumed();
    for trigger in [AckTrigger::Receive, AckTrigger::Park, AckTrigger::Close] {
        assert_eq!(inbox.ack_due(trigger, 30), None, "{trigger:?}");
    }
    assert_eq!(inbox.ack_due(AckTrigger::Requested, 30), Some(0));
    assert_eq!(inbox.to_piggyback(30), 0);
    inbox.ack_sent(30, 1);
    assert_eq!(inbox.ack_due(AckTrigger::Close, PEER_SESSION), Some(1));
    // The sender restarted: messages of the last session that the program still has count for no session.
    take(&mut inbox, 2);
    inbox.hello(&hello(30, 0, 0));
    inbox.delivered(PEER_SESSION, 2);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(30), 0);
    take(&mut inbox, 1);
}

#[test]
fn acknowledgement_is_due_before_parking_and_not_after_each_message() {
    let mut inbox = Inbox::new(Acknowledge::Auto);
    let keeps = Some(ReplayLimits { count: 1000, bytes: 100_000 });
    inbox.hello(&SessionHello { keeps, ..hello(PEER_SESSION, 0, 0) });
    let mut number = 0;
    let mut consume = |inbox: &mut Inbox, bytes, urgency| {
        number += 1;
        inbox.received(number, bytes, urgency, Fate::Filed).unwrap();
        inbox.delivered(PEER_SESSION, number);
        inbox.consumed();
    };
    for _ in 0..63 {
        consume(&mut inbox, 1, AckUrgency::Prompt);
        assert_eq!(inbox.ack_due(AckTrigger::Receive, PEER_SESSION), None);
    }
    assert_eq!(inbox.ack_due(AckTrigger::Park, PEER_SESSION), Some(63));
    consume(&mut inbox, 1, AckUrgency::Prompt);
    assert_eq!(inbox.ack_due(AckTrigger::Receive, PEER_SESSION), Some(64));
    inbox.ack_sent(PEER_SESSION, 64);
    assert_eq!(inbox.ack_due(AckTrigger::Park, PEER_SESSION), None);
    assert_eq!(inbox.ack_due(AckTrigger::Requested, PEER_SESSION), Some(64));
    consume(&mut inbox, 25_001, AckUrgency::Prompt);
    assert_eq!(
        inbox.ack_due(AckTrigger::Receive, PEER_SESSION),
        Some(65),
        "a quarter of what the sender may keep"
    );
    inbox.ack_sent(PEER_SESSION, 65);
    for _ in 0..1000 {
        consume(&mut inbox, 1000, AckUrgency::NotNeeded);
        assert_eq!(inbox.ack_due(AckTrigger::Receive, PEER_SESSION), None);
        assert_eq!(inbox.ack_due(AckTrigger::Park, PEER_SESSION), None, "calls cost no frames");
    }
    assert_eq!(inbox.ack_due(AckTrigger::Close, PEER_SESSION), Some(1065));
    consume(&mut inbox, 1, AckUrgency::Piggyback);
    assert_eq!(inbox.ack_due(AckTrigger::Park, PEER_SESSION), None);
}

#[test]
fn sender_with_small_replay_limits_is_acknowledged_earlier() {
    let mut inbox = inbox(Acknowledge::Auto);
    for number in 1..=2 {
        assert_eq!(inbox.ack_due(AckTrigger::Receive, PEER_SESSION), None);
        inbox.received(number, 1, AckUrgency::Prompt, Fate::Filed).unwrap();
        inbox.delivered(PEER_SESSION, number);
        inbox.consumed();
    }
    assert_eq!(inbox.ack_due(AckTrigger::Receive, PEER_SESSION), Some(2), "a quarter of eight");
}

#[test]
fn acknowledgement_is_repeated_on_a_new_link() {
    let mut inbox = inbox(Acknowledge::Auto);
    take(&mut inbox, 1);
    inbox.delivered(PEER_SESSION, 1);
    inbox.consumed();
    inbox.ack_sent(PEER_SESSION, 1);
    assert_eq!(inbox.ack_due(AckTrigger::Park, PEER_SESSION), None);
    inbox.hello(&hello(PEER_SESSION, 0, 0));
    assert_eq!(inbox.ack_due(AckTrigger::Park, PEER_SESSION), Some(1));
}

/// The pages of a link without shared memory.
#[derive(Debug, PartialEq)]
enum NoPage {}

impl Page for NoPage {
    fn acknowledged(&self) -> u64 {
        match *self {}
    }

    fn want(&self, _: u64) {
        match *self {}
    }

    fn wanted(&self) -> u64 {
        match *self {}
    }

    fn publish(&self, _: u64) {
        match *self {}
    }

    fn publish_before_fence(&self, _: u64) {
        match *self {}
    }
}

/// A connection with its first link to a client of this name.
fn linked(name: Option<&str>) -> Connection<&'static str, NoPage> {
    let mut connection = Connection::new(OWN_SESSION, Some(LIMITS), Acknowledge::Auto);
    next_link(&mut connection, PEER_SESSION, name);
    connection
}

/// Makes a link and sends over it.
fn next_link(connection: &mut Connection<&'static str, NoPage>, peer: u64, name: Option<&str>) {
    let link = connection.link_made(true, false);
    let identity = Identity::of_dialler(Owner::Anyone, name, peer);
    connection.link_up(link, &hello(peer, 0, 0), identity, None).unwrap().unwrap();
}

fn admit(
    connection: &mut Connection<&'static str, NoPage>,
    link: u64,
    class: RetransmitClass,
) -> Unless<Ticket> {
    let content = Content { class, length: 1, is_allowed: true, carries_ack: true, reports_losses: true };
    connection.admit(&Terms { link, session: PEER_SESSION, looked: true }, &content)
}

#[test]
fn message_whose_link_is_replaced_before_it_is_recorded_goes_over_the_next_one() {
    for class in [RetransmitClass::Data, RetransmitClass::Idempotent, RetransmitClass::IdempotentAnswer] {
        let mut connection = linked(Some("panel"));
        let ticket = admit(&mut connection, 1, class).unwrap();
        next_link(&mut connection, PEER_SESSION, Some("panel"));
        let (number, place) = connection.sent(&ticket);
        *place.unwrap() = "under way";
        assert_eq!(connection.next_replay(1), None, "the link was replaced");
        assert_eq!(connection.next_replay(2), Some((&"under way", number)), "{class:?}");
        connection.replayed(1, number);
        assert_eq!(
            connection.next_replay(2),
            Some((&"under way", number)),
            "it went over the older link again"
        );
        connection.replayed(2, number);
        assert_eq!(connection.next_replay(2), None);
        assert!(matches!(admit(&mut connection, 1, class), Err(Obstacle::NoLink)));
    }
}

#[test]
fn message_under_way_to_a_peer_that_was_replaced_is_kept_for_no_other() {
    let mut connection = linked(None);
    let ticket = admit(&mut connection, 1, RetransmitClass::Data).unwrap();
    next_link(&mut connection, 30, None);
    assert!(connection.sent(&ticket).1.is_none());
    assert_eq!(connection.next_replay(2), None);
    assert!(matches!(admit(&mut connection, 2, RetransmitClass::Data), Err(Obstacle::Losses)));
    assert_eq!((connection.take_losses(), connection.take_losses()), (1, 0), "it is reported once");
    // The next incarnation of a named client gets data, and no answer to a request that it did not send.
    for (class, is_kept) in [(RetransmitClass::Data, true), (RetransmitClass::IdempotentAnswer, false)] {
        let mut connection = linked(Some("panel"));
        let ticket = admit(&mut connection, 1, class).unwrap();
        next_link(&mut connection, 30, Some("panel"));
        assert_eq!(connection.sent(&ticket).1.is_some(), is_kept, "{class:?}");
    }
}

#[test]
fn link_that_was_replaced_changes_nothing() {
    let mut connection = linked(None);
    let ticket = admit(&mut connection, 1, RetransmitClass::Data).unwrap();
    *connection.sent(&ticket).1.unwrap() = "kept";
    let old = connection.link_made(true, false);
    next_link(&mut connection, PEER_SESSION, None);
    let identity = Identity::of_dialler(Owner::Anyone, None, 99);
    assert_eq!(connection.link_up(old, &hello(99, 0, 0), identity, None).unwrap(), None);
    assert_eq!(connection.peer_gone(1), (0, 0), "the peer has a newer link");
    assert_eq!(connection.next_replay(3), Some((&"kept", 1)));
    assert_eq!(connection.peer_gone(3), (1, 1));
    assert_eq!(connection.take_losses(), 1);
}

#[test]
fn each_thing_to_say_is_tried_once_on_an_occasion() {
    let mut connection = linked(Some("panel"));
    connection.begin_receiving(1, &hello(PEER_SESSION, 0, 0), None);
    let ticket = admit(&mut connection, 1, RetransmitClass::Data).unwrap();
    *connection.sent(&ticket).1.unwrap() = "kept";
    next_link(&mut connection, PEER_SESSION, Some("panel"));
    connection.inbox.received(1, 1, AckUrgency::Prompt, Fate::Finished).unwrap();
    (5..7).for_each(|request| connection.withdraw(request));
    let mut tried = Tried::default();
    let mut said = Vec::new();
    while let Some(control) = connection.next_control(2, AckTrigger::Close, PEER_SESSION, &mut tried) {
        said.push(control.clone());
        if let Control::Acknowledge(_) = control {
            break;
        }
    }
    assert_eq!(said, [Control::Replay, Control::Withdraw(vec![5, 6]), Control::Acknowledge(1)]);
    connection.withdraw_later(vec![6]);
    connection.withdraw(7);
    assert_eq!(connection.take_withdrawn(), [6, 7]);
    assert_eq!(
        connection.next_control(1, AckTrigger::Close, PEER_SESSION, &mut tried),
        Some(Control::NextLink)
    );
}
