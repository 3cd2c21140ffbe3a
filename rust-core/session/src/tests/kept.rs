//! The messages that an outbox keeps, their peers, and the links that replay them.

use super::*;

#[test]
fn unacknowledged_messages_go_to_next_incarnation_in_order() {
    let mut outbox = outbox();
    let up = outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    assert_eq!(up.incarnation, Incarnation::First);
    for message in ["a", "b", "c", "d"] {
        send(&mut outbox, RetransmitClass::Data, message);
    }
    assert_eq!(outbox.acknowledged(2).unwrap(), 2);
    let up = outbox.link_up(&hello(PEER_SESSION, 3, 2), Identity::Listener).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Same, 0));
    assert_eq!(replay(&mut outbox), [(4, "d")]);
    // It ended without consuming the third, so its next incarnation gets it as well.
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
    // Its progress in another session of this side is not a claim about this session.
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
    assert!(outbox.sent_to_place(RetransmitClass::Data, 1).1.is_none(), "it need not be kept");
    assert_eq!((outbox.unacknowledged().count, kept(&outbox)), (0, (0, 0)));
    send(&mut outbox, RetransmitClass::Data, "b");
    send(&mut outbox, RetransmitClass::Data, "c");
    outbox.link_up(&hello(30, 0, 0), Identity::Listener).unwrap();
    // The second is acknowledged during its replay; the third must not be skipped.
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
    *outbox.sent_to_place(RetransmitClass::IdempotentAnswer, 1).1.unwrap() = "b";
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
    outbox.sent_to_place(RetransmitClass::Data, 1000);
    assert!(!outbox.has_room(RetransmitClass::Data, 0) && !outbox.has_room(RetransmitClass::Idempotent, 0));
    assert!(
        outbox.has_room(RetransmitClass::Request, 1) && outbox.has_room(RetransmitClass::IdempotentAnswer, 1)
    );
    outbox.sent_to_place(RetransmitClass::IdempotentAnswer, 1);
    assert_eq!(kept(&outbox), (1, 1000), "an answer without room goes out and is not kept");
    outbox.acknowledged(1).unwrap();
    outbox.sent_to_place(RetransmitClass::Data, 60);
    assert!(outbox.has_room(RetransmitClass::Data, 40) && !outbox.has_room(RetransmitClass::Data, 41));
    outbox.sent_to_place(RetransmitClass::Data, 0);
    outbox.sent_to_place(RetransmitClass::Data, 0);
    assert!(!outbox.has_room(RetransmitClass::Data, 0));
    outbox.acknowledged(3).unwrap();
    assert_eq!(kept(&outbox), (2, 0));
    assert!(outbox.has_room(RetransmitClass::Data, 100));
}

#[test]
fn best_effort_keeps_nothing_but_counts_unacknowledged() {
    let mut outbox: Outbox<&str> = Outbox::new(OWN_SESSION, None);
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    for _ in 0..3 {
        assert!(outbox.has_room(RetransmitClass::Data, 1 << 40));
        assert!(outbox.sent_to_place(RetransmitClass::Data, 1).1.is_none(), "nothing is kept");
    }
    let left = outbox.unacknowledged();
    assert_eq!((left.count, left.bytes, left.last), (3, 0, 3));
    outbox.acknowledged(1).unwrap();
    assert_eq!(outbox.unacknowledged().count, 2);
    // Messages on a broken link are lost: no acknowledgement is expected for them.
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
    outbox.acknowledged(3).unwrap();
    outbox.link_up(&hello(PEER_SESSION, 1, 0), Identity::Listener).unwrap();
    assert_eq!(replay(&mut outbox), [(4, "reply to ask"), (5, "a")]);
    // To the next incarnation, the number in the answer would mean another request.
    let up = outbox.link_up(&hello(30, 0, 0), Identity::Listener).unwrap();
    assert_eq!((up.incarnation, up.dropped), (Incarnation::Next, 1));
    assert_eq!(replay(&mut outbox), [(1, "ask"), (5, "a")]);
    outbox.acknowledged(5).unwrap();
    assert_eq!(kept(&outbox), (1, 3));
    outbox.finish_request(1);
    assert_eq!(kept(&outbox), (0, 0));
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
fn untaken_request_goes_to_the_next_incarnation_and_not_to_the_same() {
    let mut outbox = outbox();
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    send(&mut outbox, RetransmitClass::Request, "taken");
    send(&mut outbox, RetransmitClass::Data, "a");
    send(&mut outbox, RetransmitClass::Request, "untaken");
    send(&mut outbox, RetransmitClass::Request, "given up");
    assert_eq!(outbox.taken(5).unwrap_err().kind(), ErrorKind::Malformed);
    outbox.taken(1).unwrap();
    outbox.finish_request(4);
    for session in [30, 40] {
        let up = outbox.link_up(&hello(session, 0, 0), Identity::Listener).unwrap();
        assert_eq!((up.incarnation, up.dropped), (Incarnation::Next, 0));
        assert_eq!(replay(&mut outbox), [(2, "a"), (3, "untaken")]);
        assert_eq!([1, 3, 4].map(|request| outbox.is_resent(request)), [false, true, false]);
    }
    outbox.link_up(&hello(40, 0, 0), Identity::Listener).unwrap();
    assert_eq!(replay(&mut outbox), [(2, "a")]);
    assert!(!outbox.keeps(3) && !outbox.is_resent(3));
}

#[test]
fn requests_leave_room_for_data_and_are_bounded() {
    let mut outbox = outbox();
    outbox.link_up(&hello(PEER_SESSION, 0, 0), Identity::Listener).unwrap();
    for number in 1..=LIMITS.count as u64 + 1 {
        assert_eq!(send(&mut outbox, RetransmitClass::Request, "do"), number);
        assert_eq!(outbox.keeps(number), number <= LIMITS.count as u64);
    }
    assert!(outbox.has_room(RetransmitClass::Data, LIMITS.bytes) && outbox.has_many_requests(1));
    // An answer frees the room of the oldest request; another request stays until the page shows
    // it.
    outbox.answered(2);
    outbox.answered(1);
    assert!(!outbox.keeps(1) && outbox.keeps(2) && !outbox.has_many_requests(1));
}
