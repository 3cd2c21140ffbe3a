//! A connection whose link is replaced, and its control messages.

use super::*;
use crate::connection::NoPage;

fn linked(name: Option<&str>) -> Connection<&'static str, NoPage> {
    let mut connection = Connection::new(OWN_SESSION, Some(LIMITS), Acknowledge::Auto);
    next_link(&mut connection, PEER_SESSION, name);
    connection
}

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
    // A named client's next incarnation gets data, but no answer to a request that it did not send.
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
