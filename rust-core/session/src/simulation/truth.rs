//! The real fate of every message of a simulated history, independent of the tested state machine.

use super::super::RetransmitClass;

/// All sent messages, by session and number.
#[derive(Default)]
pub struct Truth {
    sessions: Vec<Sent>,
}

#[derive(Default)]
struct Sent {
    base: u64,
    facts: Vec<Fact>,
    checked: u64,
}

#[derive(Clone, Copy)]
struct Fact {
    class: RetransmitClass,
    consumed: bool,
    given: u32,
    received_by: u64,
    /// Whether it was for a peer that ended and does not return.
    dropped: bool,
}

impl Truth {
    /// Returns the session of the next incarnation, never 0; its messages are numbered after `base`.
    pub fn new_session(&mut self, base: u64) -> u64 {
        self.sessions.push(Sent { base, ..Sent::default() });
        self.sessions.len() as u64
    }

    fn sent_by(&mut self, session: u64) -> &mut Sent {
        &mut self.sessions[session as usize - 1]
    }

    fn fact(&mut self, session: u64, number: u64) -> &mut Fact {
        let sent = self.sent_by(session);
        &mut sent.facts[(number - sent.base) as usize - 1]
    }

    pub fn sent(&mut self, session: u64, number: u64, class: RetransmitClass) {
        let Sent { base, facts, .. } = self.sent_by(session);
        assert_eq!(*base + facts.len() as u64 + 1, number, "numbers follow each other");
        facts.push(Fact { class, consumed: false, given: 0, received_by: 0, dropped: false });
    }

    pub fn received(&mut self, session: u64, number: u64, by: u64) {
        self.fact(session, number).received_by = by;
    }

    pub fn is_received(&mut self, session: u64, number: u64) -> bool {
        self.fact(session, number).received_by != 0
    }

    pub fn given(&mut self, session: u64, number: u64, kept: bool) {
        let fact = self.fact(session, number);
        fact.given += 1;
        let again = matches!(fact.class, RetransmitClass::Data | RetransmitClass::Idempotent) && kept;
        assert!(fact.given == 1 || again, "{:?} {number} of session {session} was given twice", fact.class);
    }

    pub fn consumed(&mut self, session: u64, number: u64) {
        self.fact(session, number).consumed = true;
    }

    /// An acknowledgement was accepted: everything up to it must be consumed or lost.
    pub fn acknowledged(&mut self, session: u64, number: u64, by: u64, kept: bool) {
        let sent = self.sent_by(session);
        let number = number.saturating_sub(sent.base);
        for at in sent.checked..number {
            let fact = sent.facts[at as usize];
            let lost = fact.dropped || (!kept && fact.received_by != by);
            assert!(
                fact.consumed || lost || fact.class != RetransmitClass::Data,
                "message {} of session {session} was acknowledged by {by} up to {number}, and not consumed",
                at + 1
            );
        }
        sent.checked = sent.checked.max(number);
    }

    pub fn unacknowledged(&mut self, session: u64) -> u64 {
        let sent = self.sent_by(session);
        let open = &sent.facts[sent.checked as usize..];
        open.iter().filter(|fact| fact.class == RetransmitClass::Data && !fact.dropped).count() as u64
    }

    pub fn dropped(&mut self, session: u64) {
        let sent = self.sent_by(session);
        for fact in &mut sent.facts[sent.checked as usize..] {
            fact.dropped = true;
        }
    }

    pub fn check_all_consumed(&mut self, session: u64) {
        for (at, fact) in self.sent_by(session).facts.iter().enumerate() {
            assert!(
                fact.consumed || fact.dropped || fact.class != RetransmitClass::Data,
                "message {} of session {session} was never consumed",
                at + 1
            );
        }
    }
}
