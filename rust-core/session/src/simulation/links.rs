//! Links that are made and break at any byte, and programs that end.

use super::end::{Page, RxLink, TxLink};
use super::stream::Stream;
use super::world::{Pair, World, absent, is_listener, pair, peer};
use crate::inbox::AckTrigger;
use crate::outbox::Incarnation;
use crate::peers::KeptSize;
use crate::{Identity, Owner};

impl World<'_> {
    fn lose(&mut self, i: usize) {
        self.look(i);
        let Some(link) = self.ends[i].rx.back_mut() else { return };
        self.seen.torn += u64::from(link.stream.tear(self.random.below(link.stream.under_way() + 1)));
        link.ended = true;
        let broken = self.random.one_in(2);
        let end = &mut self.ends[i];
        end.new_links.iter_mut().for_each(|tx| tx.broken = true);
        if broken {
            end.tx.iter_mut().for_each(|tx| tx.broken = true);
        } else {
            self.drop_tx(i);
        }
    }

    fn drop_tx(&mut self, i: usize) {
        self.look(i);
        if let Some(tx) = self.ends[i].tx.take() {
            self.ends[i].connection.sending_ended(tx.page.as_ref());
        }
    }

    pub fn cut(&mut self, i: usize) {
        if !self.pairs[pair(i)].breaks {
            return;
        }
        self.trace(|| format!("{} is cut", pair(i)));
        self.lose(i);
        self.lose(peer(i));
        self.unlinked(i);
    }

    /// The program of this end, or the whole server, ends and begins again.
    pub fn crash(&mut self, i: usize) {
        self.trace(|| format!("{i} crashes"));
        let all = if is_listener(i) { self.ends_of_listener(i) } else { vec![i] };
        for i in all {
            if self.pairs[pair(i)].linked {
                self.lose(peer(i));
            }
            self.ends[i] = self.new_end(i);
            if is_listener(i) {
                self.pairs[pair(i)].linked = false;
                self.absent = absent();
            } else {
                self.unlinked(i);
            }
        }
        self.seen.crashes += 1;
    }

    /// A pair has lost its link. A server keeps the sessions of some absent clients.
    fn unlinked(&mut self, i: usize) {
        let was_linked = std::mem::replace(&mut self.pairs[pair(i)].linked, false);
        if !self.is_server || !was_linked || self.under_way.is_some() {
            return;
        }
        let (outbox, client) =
            (&self.ends[pair(i) * 2].connection.outbox, self.pairs[pair(i)].client.clone());
        let kept = KeptSize { count: outbox.kept_count(), bytes: outbox.unacknowledged().bytes };
        let Some(client) = client else { return };
        for (client, evicted) in self.absent.insert(client, pair(i), kept) {
            // A client without a name that has ended is replaced by another.
            let of = &self.pairs[evicted];
            if !of.linked && of.client.as_ref() == Some(&client) {
                self.trace(|| format!("the session with client {evicted} is dropped"));
                self.ends[evicted * 2] = self.new_end(evicted * 2);
                self.seen.evicted += 1;
            }
        }
    }

    /// Returns whether this end's client is new to the server: a client without a name after a restart.
    pub fn is_another_client(&self, i: usize) -> bool {
        let session = self.ends[pair(i) * 2 + 1].session();
        let outbox = &self.ends[pair(i) * 2].connection.outbox;
        self.is_server && !self.pairs[pair(i)].named && outbox.peer().is_some_and(|(_, last)| last != session)
    }

    /// The program reads the end of its link: a peer that cannot return gets nothing more.
    pub fn peer_gone(&mut self, i: usize) {
        // A server leaves that to its registry. A message being sent counts when it is recorded.
        if self.is_server || self.under_way == Some(i) {
            return;
        }
        self.look(i);
        let front = self.ends[i].rx.front().map(|link| (link.number, link.hello.session));
        let Some((link, other)) = front else { return };
        let (dropped, lost) = self.ends[i].connection.peer_gone(link);
        if dropped > 0 {
            assert_ne!(other, self.ends[peer(i)].session(), "messages for a peer that lives are dropped");
            let end = &mut self.ends[i];
            (end.call, end.waits_for_room) = (None, None);
            end.lost += lost;
            self.truth.dropped(self.ends[i].session());
            self.seen.gone += 1;
        }
    }

    pub fn connect_all(&mut self) {
        (0..self.pairs.len())
            .filter(|pair| !self.pairs[*pair].linked)
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|pair| self.connect(pair));
    }

    pub fn connect(&mut self, pair: usize) {
        let both = [pair * 2, pair * 2 + 1];
        if self.is_another_client(both[0]) {
            self.ends[both[0]] = self.new_end(both[0]);
        }
        self.links += 1;
        let hellos = both.map(|i| self.ends[i].connection.hello());
        let of = self.pairs[pair].clone();
        let pages = if of.in_words { Page::of_link().map(Some) } else { [None, None] };
        self.trace(|| format!("link {}: {hellos:?}", self.links));
        let client = Identity::of_dialler(
            Owner::Anyone,
            of.named.then_some(["panel", "pump", "log"][pair]),
            hellos[1].session,
        );
        self.absent.remove(&client);
        self.pairs[pair] = Pair { linked: true, newest: self.links, client: Some(client.clone()), ..of };
        for (i, page) in both.into_iter().zip(pages) {
            let hello = hellos[1 - i % 2];
            let identity = if is_listener(i) { client.clone() } else { Identity::Listener };
            let sent_before = self.ends[peer(i)].connection.outbox.next_number() - 1;
            let (id, end) = (self.links, &mut self.ends[i]);
            let number = end.connection.link_made(true, self.is_server || of.breaks);
            let to = hello.session;
            let page_of_tx = page.clone();
            end.new_links.push_back(TxLink {
                id,
                number,
                page: page_of_tx,
                hello,
                identity,
                to,
                has: 0,
                broken: false,
            });
            end.rx.push_back(RxLink {
                id,
                number,
                page,
                hello,
                sent_before,
                begun: false,
                stream: Stream::default(),
                ended: false,
            });
        }
        for i in both {
            // The thread that made the link uses its sending half; a server's thread does so even while another thread
            // sends.
            if self.serves[i] || self.under_way != Some(i) {
                self.join(i);
            } else {
                self.ends[i].connection.defer(AckTrigger::Park);
            }
        }
    }

    pub fn join(&mut self, i: usize) -> bool {
        let mut joined = false;
        while let Some(mut tx) = self.ends[i].new_links.pop_front() {
            self.drop_tx(i);
            let end = &mut self.ends[i];
            end.sent_over = tx.number;
            let (kept, session, keeps) =
                (end.connection.outbox.kept_count(), end.session(), self.keeps[i].is_some());
            let up =
                end.connection.link_up(tx.number, &tx.hello, tx.identity.clone(), tx.page.clone()).unwrap();
            let Some(up) = up else {
                assert!(!end.new_links.is_empty(), "the newest link is not used");
                continue;
            };
            assert!(end.new_links.is_empty(), "a link is used that was replaced");
            let received = tx.hello.received;
            match up.incarnation {
                Incarnation::First => {}
                Incarnation::Same => self.seen.resumed += 1,
                Incarnation::Next => self.seen.next += 1,
                Incarnation::Another => {
                    assert!(!self.pairs[pair(i)].named && is_listener(i));
                    assert_eq!(up.dropped, kept);
                    if keeps && self.under_way != Some(i) {
                        assert_eq!(
                            up.lost as u64,
                            self.truth.unacknowledged(session),
                            "each lost message is counted"
                        );
                    }
                    self.truth.dropped(session);
                    let end = &mut self.ends[i];
                    end.lost += up.lost as u64;
                    end.others += 1;
                    end.call = None;
                    end.asleep = false;
                    self.seen.another += 1;
                    self.seen.dropped += kept as u64;
                }
            }
            tx.has = if up.incarnation == Incarnation::Same && received.session == session {
                received.received
            } else {
                0
            };
            let to = tx.to;
            self.ends[i].tx = Some(tx);
            // Its progress is in the hello.
            if received.session == session {
                self.truth.acknowledged(session, received.consumed, to, keeps);
            }
            self.check_unacknowledged(i);
            self.look_at_call(i);
            joined = true;
        }
        joined
    }
}
