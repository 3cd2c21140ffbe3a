//! Random calls of an outbox and an inbox, compared with a simple model of each.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::inbox::{AckUrgency, Acknowledge, Fate, Verdict};
use super::{Identity, Inbox, Outbox, Progress, ReplayLimits, RetransmitClass, SessionHello};

const OWN_SESSION: u64 = 1;

fn hello(session: u64, received: u64) -> SessionHello {
    let received = Progress { session: OWN_SESSION, received, consumed: 0 };
    SessionHello { session, first: 0, keeps: Some(ReplayLimits { count: 8, bytes: 80 }), received }
}

#[derive(Clone, Debug)]
enum Sending {
    Send(RetransmitClass, usize),
    Acknowledged(u64),
    Taken(u64),
    Finish(u64),
    Link { session: u64, received: u64 },
    Replay,
}

fn sending() -> impl Strategy<Value = Sending> {
    use RetransmitClass::*;
    let class = prop::sample::select(vec![Data, Data, Data, Request, Idempotent, Answer, IdempotentAnswer]);
    prop_oneof![
        4 => (class, 0usize..40).prop_map(|(class, bytes)| Sending::Send(class, bytes)),
        2 => (0u64..20).prop_map(Sending::Acknowledged),
        1 => (0u64..20).prop_map(Sending::Taken),
        1 => (0u64..20).prop_map(Sending::Finish),
        1 => (2u64..4, 0u64..20).prop_map(|(session, received)| Sending::Link { session, received }),
        3 => Just(Sending::Replay),
    ]
}

#[derive(Clone, Debug)]
enum Receiving {
    Receive(u64),
    Delivered(u64),
    Consumed,
    Acknowledge(u64),
    Finished(u64),
}

fn receiving() -> impl Strategy<Value = Receiving> {
    prop_oneof![
        3 => (1u64..4).prop_map(Receiving::Receive),
        3 => (1u64..20).prop_map(Receiving::Delivered),
        1 => Just(Receiving::Consumed),
        1 => (1u64..20).prop_map(Receiving::Acknowledge),
        1 => (1u64..20).prop_map(Receiving::Finished),
    ]
}

proptest! {
    #[test]
    fn outbox_keeps_and_replays_like_a_naive_model(steps in prop::collection::vec(sending(), 0..60)) {
        let limits = ReplayLimits { count: 5, bytes: 80 };
        let mut outbox: Outbox<u64> = Outbox::new(OWN_SESSION, Some(limits));
        outbox.link_up(&hello(2, 0), Identity::Listener).unwrap();
        // The kept messages: class, bytes, and whether this link has sent each.
        let mut kept: BTreeMap<u64, (RetransmitClass, usize, bool)> = BTreeMap::new();
        let (mut last, mut acknowledged, mut taken, mut peer) = (0, 0, 0, 2);
        let is_once = |class: RetransmitClass| class == RetransmitClass::Request;
        for step in steps {
            let next = kept.iter().find(|(_, (.., had))| !had).map(|(number, _)| *number);
            prop_assert_eq!(outbox.to_replay(), next.as_ref().map(|number| (number, *number)));
            // Requests to carry out once have a separate window.
            let window = |once: bool| {
                let of = kept.values().filter(|(class, ..)| is_once(*class) == once);
                of.fold((0, 0), |(count, bytes), (_, more, _)| (count + 1, bytes + more))
            };
            prop_assert_eq!((outbox.kept_count(), outbox.unacknowledged().bytes), window(false));
            match step {
                Sending::Send(class, bytes) if next.is_none() => {
                    let (count, bytes_kept) = window(is_once(class));
                    let fits = count == 0 || (count < 5 && bytes_kept + bytes <= 80);
                    let waits = matches!(class, RetransmitClass::Data | RetransmitClass::Idempotent);
                    prop_assert_eq!(outbox.has_room(class, bytes), fits || !waits);
                    if waits && !fits {
                        continue;
                    }
                    last += 1;
                    let (number, place) = outbox.sent_to_place(class, bytes);
                    place.into_iter().for_each(|place| *place = last);
                    prop_assert_eq!(number, last);
                    if waits || (class != RetransmitClass::Answer && fits && !(is_once(class) && last <= taken)) {
                        kept.insert(last, (class, bytes, true));
                    }
                }
                Sending::Send(..) => {}
                Sending::Acknowledged(number) => {
                    let before = window(false).0;
                    let believed = outbox.acknowledged(number);
                    prop_assert_eq!(believed.is_ok(), number <= last);
                    if number <= last {
                        acknowledged = number.max(acknowledged);
                        taken = number.max(taken);
                        kept.retain(|at, (class, ..)| *at > number || *class == RetransmitClass::Idempotent);
                        let after = kept.values().filter(|(class, ..)| !is_once(*class)).count();
                        prop_assert_eq!(believed.unwrap(), before - after);
                    }
                    prop_assert_eq!(outbox.stats().acknowledged, acknowledged);
                }
                Sending::Taken(number) => {
                    prop_assert_eq!(outbox.taken(number).is_ok(), number <= last);
                    if number <= last {
                        taken = number.max(taken);
                        kept.retain(|at, (class, ..)| *at > number || !is_once(*class));
                    }
                }
                Sending::Finish(number) => {
                    outbox.finish_request(number);
                    let is_request = |class| is_once(class) || class == RetransmitClass::Idempotent;
                    kept.retain(|at, (class, ..)| *at != number || !is_request(*class));
                }
                Sending::Link { session, received } => {
                    let up = outbox.link_up(&hello(session, received), Identity::Listener);
                    prop_assert_eq!(up.is_ok(), received <= last);
                    if received > last {
                        continue;
                    }
                    // This incarnation may have taken any request.
                    let is_dropped = |class| match session == peer {
                        true => is_once(class),
                        false => class == RetransmitClass::IdempotentAnswer,
                    };
                    kept.retain(|_, (class, ..)| !is_dropped(*class));
                    for (number, (.., had)) in &mut kept {
                        *had = session == peer && *number <= received;
                    }
                    peer = session;
                }
                Sending::Replay => {
                    if let Some(number) = next {
                        outbox.replayed(number);
                        kept.entry(number).and_modify(|(.., had)| *had = true);
                    }
                }
            }
        }
    }

    #[test]
    fn inbox_progress_matches_a_naive_model(
        manual in any::<bool>(),
        steps in prop::collection::vec(receiving(), 0..80),
    ) {
        let mut inbox = Inbox::new(if manual { Acknowledge::Manual } else { Acknowledge::Auto });
        inbox.hello(&hello(7, 0));
        // The received messages: 0 waits, 1 is delivered, 2 is consumed.
        let mut received: BTreeMap<u64, u8> = BTreeMap::new();
        let mut last = 0u64;
        for step in steps {
            match step {
                // Usually the next number, sometimes an old one or a gap.
                Receiving::Receive(step) => {
                    let number = (last + step).saturating_sub(1).max(1);
                    let new = number > last;
                    let expected = if new { Verdict::New { missed: 0 } } else { Verdict::Duplicate };
                    prop_assert_eq!(inbox.received(number, 1, AckUrgency::Prompt, Fate::Filed).unwrap(), expected);
                    if new {
                        received.insert(number, 0);
                        last = number;
                    }
                }
                Receiving::Delivered(number) => {
                    inbox.delivered(7, number);
                    received.entry(number).and_modify(|state| *state = (*state).max(1));
                }
                Receiving::Consumed => {
                    inbox.consumed();
                    received.values_mut().filter(|state| !manual && **state == 1).for_each(|state| *state = 2);
                }
                Receiving::Acknowledge(up_to) => {
                    inbox.acknowledge(7, up_to);
                    received.range_mut(..=up_to).filter(|(_, state)| **state == 1).for_each(|(_, state)| *state = 2);
                }
                Receiving::Finished(number) => {
                    inbox.finished(7, number);
                    received.entry(number).and_modify(|state| *state = 2);
                }
            }
            let consumed = received.iter().take_while(|(_, state)| **state == 2).last().map_or(0, |(n, _)| *n);
            prop_assert_eq!(inbox.progress(), Progress { session: 7, received: last, consumed });
            let open = received.values().filter(|state| **state != 2).count() as u64;
            prop_assert_eq!(inbox.stats().unconsumed, open);
        }
    }
}
