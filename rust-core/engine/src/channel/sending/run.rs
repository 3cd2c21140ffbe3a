//! Several messages that the link takes at once.

use super::push::flush_rest;
use super::{DraftContent, Links, Sending};
use crate::channel::session_state::SessionHalves;
use crate::channel::session_state::admission::admit_data;
use crate::deadline::Waiting;
use crate::frame::{Header, Kind, Outgoing};
use crate::message::{Payload, StoredMessage};
use crate::sys::clock;

impl Sending {
    /// Writes the leading short messages into shared memory with one fence and one wake-up, and keeps them.
    ///
    /// Returns their count; 0 at an obstacle.
    pub fn send_run_step(&mut self, payloads: &[Payload], halves: &mut SessionHalves) -> usize {
        let Ok((part, terms, limit)) = self.terms(false) else { return 0 };
        if !part.tx.is_in_memory() {
            return 0;
        }
        let short = |payload: &&Payload| payload.memory().block().is_some();
        let lengths = payloads.iter().take_while(short).map(Payload::len);
        let Ok((mut ticket, admitted)) = admit_data(halves, (&terms, limit), payloads.len(), lengths) else {
            return 0;
        };
        if ticket.acked > 0 {
            return 0;
        }
        let sent = clock::now();
        let Some(mut batch) = part.tx.begin_batch(sent) else { return 0 };
        let mut count = 0;
        for payload in &payloads[..admitted] {
            let Some(body) = payload.memory().block() else { break };
            ticket = ticket.with_length(body.len());
            if !batch.put(ticket.number, payload.encoding(), body) {
                break;
            }
            if let (_, Some(place)) = halves.sent(&ticket) {
                DraftContent::from(payload).keep(body, place, sent);
            }
            (ticket, count) = (ticket.next(), count + 1);
        }
        drop(batch);
        halves.outbox.release_numbers();
        self.count(count as u64);
        count
    }

    /// Sends the leading messages that the link takes now, with one fence and wake-up, or one system call.
    ///
    /// Returns their count; 0 at an obstacle. Completes a partly taken message within `waiting`.
    pub fn send_run(&mut self, payloads: &[Payload], links: &impl Links, waiting: &mut Waiting<'_>) -> usize {
        let Ok((part, terms, limit)) = self.terms(true) else { return 0 };
        if terms.session == 0 {
            return 0;
        }
        let whole = |payload: &&Payload| payload.memory().split().is_none();
        let lengths = payloads.iter().take_while(whole).map(Payload::len);
        let mut halves = links.session_state().halves();
        let Ok((first, count)) = admit_data(&mut *halves, (&terms, limit), payloads.len(), lengths) else {
            return 0;
        };
        drop(halves);
        let payloads = &payloads[..count];
        let sent = clock::now();
        let headers = (first.number..).zip(payloads).map(|(sequence, payload)| Header {
            sequence,
            sent,
            correlation: if sequence == first.number { first.acked } else { 0 },
            ..Header::new(Kind::Data, payload.encoding())
        });
        let frames = headers.zip(payloads).map(|(header, payload)| Outgoing::new(header, payload.body()));
        // The next frame gets this error again and reports it.
        let sent_count = part.tx.try_send_many(frames).unwrap_or(0);
        let mut halves = links.session_state().halves();
        let mut ticket = first;
        for payload in &payloads[..sent_count] {
            if let (_, Some(place)) = halves.sent(&ticket.with_length(payload.len())) {
                *place = StoredMessage::data(payload, sent);
            }
            ticket = ticket.next();
        }
        halves.outbox.release_numbers();
        drop(halves);
        // If the link breaks here, the next call notices it and replays the message.
        let _ = flush_rest(part, links, waiting);
        self.count(sent_count as u64);
        sent_count
    }
}
