//! The end of a history, without faults, until nothing changes.
//!
//! Then nothing may be missing, and nobody may wait.

use super::end::ReceivedFrame;
use super::world::{World, pair, peer};

impl World<'_> {
    pub fn settle(&mut self) {
        self.trace(|| "quiet from here on".to_owned());
        self.quiet = true;
        self.connect_all();
        let mut before = u64::MAX;
        let mut rounds = 0;
        let mut waiting = vec![None; self.ends.len()];
        while before != self.moves {
            before = self.moves;
            rounds += 1;
            assert!(rounds < 1000, "it does not come to rest");
            for i in 0..self.ends.len() {
                self.join(i);
                self.write_rest(i);
                self.replay(i);
                // Only received frames wake a sleeping end.
                while self.ends[i].is_awake() && self.receive(i) {}
                self.answer(i);
                let last = self.ends[i].unconsumed.last().copied();
                if let Some(ReceivedFrame { session, .. }) = last {
                    self.ends[i].consume(Some(session), u64::MAX, &mut self.truth);
                    self.ends[i].connection.acknowledge(session, u64::MAX);
                    self.note_published(i);
                    self.ends[i].asleep = false;
                    self.moves += 1;
                }
            }
            for (i, waited) in waiting.iter_mut().enumerate() {
                self.look(i);
                // A sleeping end does not repeat a refused acknowledgement: the peer asks for it.
                let end = &self.ends[i];
                let stats = end.connection.outbox.stats();
                if let Some((class, bytes, number)) = end.waits_for_room
                    && before == self.moves
                    && self.pairs[pair(i)].in_words
                    && !self.ends[peer(i)].ack_refused
                {
                    let session = end.session();
                    let is_asked_for =
                        stats.acknowledged >= number && end.connection.outbox.has_room(class, bytes);
                    assert!(!is_asked_for, "session {session}: a thread waits for room that is there");
                }
                let waits = before == self.moves && stats.unacknowledged > 0;
                // The waiting program asks again if the answer was refused and no rest was in the way.
                let is_refused = self.ends[peer(i)].ack_refused;
                if waits && (waited.replace(stats) != Some(stats) || is_refused) {
                    self.ends[peer(i)].ack_refused = false;
                    self.seen.waiting += 1;
                    self.bye(i);
                }
            }
            for i in (0..self.ends.len()).step_by(2) {
                if before == self.moves && self.ends[i].call.is_some() && self.ends[peer(i)].call.is_some() {
                    // Each waits for the other's answer: in a real program a deadline ends the wait.
                    self.give_up(i);
                    self.moves += 1;
                }
            }
        }
        for i in 0..self.ends.len() {
            self.check_finished(i);
        }
    }

    fn check_finished(&mut self, i: usize) {
        let (end, other) = (&self.ends[i], &self.ends[peer(i)]);
        for (session, request, link) in &self.withdrawn {
            let is_told = *session != end.session()
                || *link != self.pairs[pair(i)].newest
                || end.withdrawal_refused
                || self.told.contains(&(*session, *request));
            assert!(is_told, "session {session}: the peer was not told that {request} is withdrawn");
        }
        assert!(end.local.is_empty() || end.call.is_some(), "{:?} was never given", end.local);
        if self.keeps[i].is_none() {
            return;
        }
        if let Some(call) = end.call {
            let excused = call.idempotent && (self.keeps[peer(i)].is_none() || other.answer_not_kept);
            assert!(excused, "session {}: {call:?} was never answered", end.session());
            return;
        }
        if other.call.is_none() {
            assert_eq!(end.connection.outbox.unacknowledged().count, 0, "session {}", end.session());
            self.truth.check_all_consumed(end.session());
        }
    }
}
