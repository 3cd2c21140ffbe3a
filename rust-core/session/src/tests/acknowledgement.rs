//! When an acknowledgement is pending.

use super::*;

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
