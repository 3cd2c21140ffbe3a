//! The numbers that an inbox takes, and the consumed messages.

use super::*;

#[test]
fn duplicates_are_dropped_and_gaps_of_best_effort_are_missed() {
    let mut inbox = Inbox::new(Acknowledge::Auto);
    inbox.hello(&SessionHello { keeps: None, first: 5, ..hello(PEER_SESSION, 0, 0) });
    let mut verdict = |number| inbox.received(number, 1, AckUrgency::Prompt, Fate::Filed).unwrap();
    assert_eq!(verdict(7), Verdict::New { missed: 2 });
    assert_eq!(verdict(7), Verdict::Duplicate);
    assert_eq!(verdict(6), Verdict::Duplicate);
    assert_eq!(verdict(8), Verdict::New { missed: 0 });
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
    // The sender restarted: the program's messages of the last session count for no session.
    take(&mut inbox, 2);
    inbox.hello(&hello(30, 0, 0));
    inbox.delivered(PEER_SESSION, 2);
    inbox.consumed();
    assert_eq!(inbox.to_piggyback(30), 0);
    take(&mut inbox, 1);
}
