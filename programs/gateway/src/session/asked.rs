//! Handles the frames of a client.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use linkspan::service::start_thread;
use linkspan::{Error, ErrorKind, Result, Value, quoted};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, spawn_blocking};

use super::{FOLLOW, NAMES, PUBLISHERS, REQUESTS, SERVERS, SUBSCRIPTIONS, Session};
use crate::asker::Asker;
use crate::feed::Key;
use crate::frames::{Frame, OF_CLIENTS, Received, Written, error_value};
use crate::names::Name;
use crate::publishers::{Work, work};
use crate::requests::{self, Withdrawn, call, latest, schema};
use crate::rights::Right;
use crate::room::Holder;
use crate::servers::Outcome;
use crate::status::{Counted, add};
use crate::subscription::{Choice, Subscription, resumes};

/// Bounds the name lists that are encoded at once for all clients.
static FOLLOWERS: Semaphore = Semaphore::const_new(4);

impl Session {
    /// Takes a frame. A frame with its id answers it, now or later.
    pub(super) fn take(self: &Arc<Session>, frame: Received) {
        let id = frame.field("id").and_then(|id| id.as_u64().ok());
        if let Err(error) = self.try_take(frame) {
            self.fail(id, &error);
        }
    }

    fn try_take(self: &Arc<Session>, mut frame: Received) -> Result<()> {
        match frame.kind()? {
            "subscribe" => self.subscribe(&frame),
            "credit" => {
                let (id, more) = (frame.id()?, frame.required("n")?.as_u64()?);
                let mut state = self.state();
                let (subscription, _) = state.subscriptions.get_mut(&id).ok_or_else(|| unknown(id))?;
                subscription.add_credit(more);
                drop(state);
                self.wake.notify_one();
                Ok(())
            }
            "unsubscribe" => {
                let id = frame.id()?;
                let mut state = self.state();
                let was_subscribed = state.subscriptions.remove(&id).is_some();
                let follow = state.follows.remove(&id);
                drop(state);
                follow.iter().for_each(AbortHandle::abort);
                if !was_subscribed && follow.is_none() {
                    return Err(unknown(id));
                }
                self.answer(&Frame::of("closed", id));
                Ok(())
            }
            "latest" => {
                let (id, name) = (frame.id()?, self.name(&frame, Right::Read)?);
                let (format, longest, gone) = (self.format, self.gateway.feeds.longest, self.gone.clone());
                self.look_up(id, move || {
                    let (number, sent, value) = latest(&name, longest, format, &gone)?;
                    let frame = Frame::of("reply", id).with("name", name.text()).with("number", number);
                    Ok(frame.with("time", sent).with_encoded("value", value))
                })
            }
            "schema" => {
                let (id, name) = (frame.id()?, self.name(&frame, Right::Read)?);
                self.look_up(id, move || {
                    Ok(Frame::of("reply", id).with("name", name.text()).with("value", schema(&name)?))
                })
            }
            "names" => self.names(&frame),
            "call" => {
                let (id, name) = (frame.id()?, self.name(&frame, Right::Call)?);
                let within = requests::timeout(frame.field("timeout"))?;
                self.call(id, name, frame.take_value(), within)
            }
            "cancel" => {
                let id = frame.id()?;
                // The answer may already be sent; then there is nothing to withdraw.
                if let Some(withdrawn) = self.state().calls.get(&id) {
                    withdrawn.set();
                }
                Ok(())
            }
            "publish" => {
                let (id, name) = (frame.id()?, self.name(&frame, Right::Write)?);
                let schema =
                    frame.field("schema").map(|text| text.as_text().map(str::to_owned)).transpose()?;
                self.check_new(id)?;
                if self.state().publishers.len() >= PUBLISHERS {
                    return Err(full("publishers", PUBLISHERS));
                }
                self.publishing()?;
                let share = self.gateway.publishing.take(&self.rights.name)?;
                let counted = Counted::new(&self.gateway.counters, |counters| &counters.publishers);
                self.state().publishers.insert(id, (counted, share));
                self.publish(Work::Open { id, name, schema }).inspect_err(|_| self.forget(id))
            }
            "data" => {
                let id = self.publisher_id(&frame)?;
                if *self.gateway.paused.borrow() {
                    let text = "the gateway is paused: nothing is published";
                    let error = Error::new(ErrorKind::InvalidState, text).with_retryable(true);
                    return self.publish(Work::Refused { id, error });
                }
                let value = frame.take_value();
                self.publish(Work::Data { id, value, held: None })
            }
            "unpublish" => {
                let id = self.publisher_id(&frame)?;
                self.publish(Work::Close { id })
            }
            "serve" => {
                let (id, name) = (frame.id()?, self.name(&frame, Right::Write)?);
                let text = |key| frame.field(key).map(|text| text.as_text().map(str::to_owned)).transpose();
                let (schema, reply_schema) = (text("schema")?, text("reply_schema")?);
                self.check_new(id)?;
                if self.state().servers.len() >= SERVERS {
                    return Err(full("names that it serves", SERVERS));
                }
                let share = self.gateway.serving.take(&self.rights.name)?;
                self.publishing()?;
                let counted = Counted::new(&self.gateway.counters, |counters| &counters.servers);
                self.state().servers.insert(id, (counted, share));
                self.publish(Work::Serve { id, name, schema, reply_schema })
            }
            "answer" => {
                let (id, call) = (self.server_id(&frame)?, frame.required("call")?.as_u64()?);
                let outcome = Outcome::of(&mut frame)?;
                let held = self.account.take_in_any_case(Holder::Value, outcome.bytes());
                self.publish(Work::Answer { id, call, outcome, held })
            }
            "unserve" => {
                let id = self.server_id(&frame)?;
                self.publish(Work::EndServer { id })
            }
            "ping" => {
                self.answer(&Frame::of("pong", frame.id()?));
                Ok(())
            }
            "hello" => Err(Error::new(ErrorKind::InvalidState, "hello is the first frame, and comes once")),
            other => {
                let text =
                    format!("there is no frame {}; there are {}", quoted(other), OF_CLIENTS.join(", "));
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }

    fn name(&self, frame: &Received, right: Right) -> Result<Name> {
        self.gateway.check(&self.rights, right, frame.required("name")?.as_text()?)
    }

    fn check_new(&self, id: u64) -> Result<()> {
        let state = self.state();
        let is_used = state.subscriptions.contains_key(&id)
            || state.calls.contains_key(&id)
            || state.publishers.contains_key(&id)
            || state.servers.contains_key(&id)
            || state.follows.contains_key(&id);
        if is_used {
            let text =
                format!("the id {id} is in use; each subscription, call, publisher and server has its own");
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        Ok(())
    }

    fn subscribe(&self, frame: &Received) -> Result<()> {
        let id = frame.id()?;
        self.check_new(id)?;
        let names = frame.required("names")?;
        let texts: Vec<&str> = match names {
            Value::Array(names) => names.iter().map(Value::as_text).collect::<Result<_>>()?,
            name => vec![name.as_text()?],
        };
        if texts.is_empty() || texts.len() > NAMES {
            let text = format!("a subscription has 1 to {NAMES} names and patterns, and not {}", texts.len());
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if self.state().subscriptions.len() >= SUBSCRIPTIONS {
            return Err(full("subscriptions", SUBSCRIPTIONS));
        }
        let credit = frame.field("credit").map(Value::as_u64).transpose()?;
        let rate = frame.field("rate").map(Value::as_f64).transpose()?;
        let newest = frame.field("latest").map(Value::as_bool).transpose()?.unwrap_or(rate.is_some());
        let choice = Choice::of(newest, rate, credit, self.gateway.settings.name_rate)?;
        let resumes = resumes(frame.field("from"))?;
        let mut seen = HashSet::new();
        let mut keys = Vec::new();
        for text in texts {
            let name = Name::parse(text, true)?;
            // A pattern delivers only names that the token allows.
            self.rights.check_followed(&name).inspect_err(|_| add(&self.gateway.counters.refused, 1))?;
            let number = resumes.get(&name.text()).map(|resume| resume.number);
            let from = number.filter(|_| name.is_journal()).map(|number| number.saturating_add(1));
            if seen.insert(name.clone()) {
                keys.push(Key { name, from });
            }
        }
        let lagged = self.gateway.counters.lagged.clone();
        let joined = self.gateway.feeds.join(keys, &self.rights, &self.wake)?;
        let subscription = Subscription::new(joined, choice, resumes, &self.account, lagged)?;
        let counted = Counted::new(&self.gateway.counters, |counters| &counters.subscriptions);
        self.state().subscriptions.insert(id, (subscription, counted));
        self.wake.notify_one();
        Ok(())
    }

    fn look_up(
        self: &Arc<Session>,
        id: u64,
        what: impl FnOnce() -> Result<Frame> + Send + 'static,
    ) -> Result<()> {
        let own =
            self.requests.clone().try_acquire_owned().map_err(|_| full("requests at once", REQUESTS))?;
        let all = self.gateway.waiting.take(&self.rights.name)?;
        let session = self.clone();
        spawn_blocking(move || {
            let _places = (own, all);
            match what() {
                Ok(frame) => {
                    session.answer_with_room(&frame).unwrap_or_else(|error| session.fail(Some(id), &error))
                }
                Err(error) => session.fail(Some(id), &error),
            }
        });
        Ok(())
    }

    fn call(self: &Arc<Session>, id: u64, name: Name, value: Written, within: Duration) -> Result<()> {
        self.check_new(id)?;
        let held = self.account.take(Holder::Value, value.bytes())?;
        let withdrawn = Arc::new(Withdrawn::default());
        self.state().calls.insert(id, withdrawn.clone());
        let (session, format) = (self.clone(), self.format);
        let counted = Counted::new(&self.gateway.counters, |counters| &counters.calls);
        let begun = self.look_up(id, move || {
            add(&session.gateway.counters.called, 1);
            let answer = call(&name, &value, within, &withdrawn, format);
            drop((counted, held));
            session.state().calls.remove(&id);
            Ok(Frame::of("reply", id).with_encoded("value", answer?))
        });
        begun.inspect_err(|_| drop(self.state().calls.remove(&id)))
    }

    fn names(self: &Arc<Session>, frame: &Received) -> Result<()> {
        let id = frame.id()?;
        let pattern = frame.field("pattern").map(Value::as_text).transpose()?.unwrap_or("*");
        let pattern = Name::parse(pattern, true)?;
        self.rights.check_listing(&pattern).inspect_err(|_| add(&self.gateway.counters.refused, 1))?;
        let follows = frame.field("follow").map(Value::as_bool).transpose()?.unwrap_or(false);
        if !follows {
            let session = self.clone();
            return self.look_up(id, move || {
                let changes = session.gateway.listing.changes(&pattern, &session.rights, None)?;
                Ok(Frame::of("names", id).with("names", changes.names))
            });
        }
        self.check_new(id)?;
        let mut state = self.state();
        if state.follows.len() >= REQUESTS {
            return Err(full("followed lists of names", REQUESTS));
        }
        let session = self.clone();
        let task = tokio::spawn(async move { session.follow(id, pattern).await });
        state.follows.insert(id, task.abort_handle());
        Ok(())
    }

    async fn follow(self: Arc<Session>, id: u64, pattern: Name) {
        let mut since = None;
        loop {
            while self.is_behind() {
                tokio::time::sleep(FOLLOW).await;
            }
            let Ok(turn) = FOLLOWERS.acquire().await else { return };
            let (session, pattern) = (self.clone(), pattern.clone());
            let changes =
                spawn_blocking(move || session.gateway.listing.changes(&pattern, &session.rights, since));
            match changes.await {
                Ok(Ok(changes)) => {
                    let is_new = since.is_none() || !changes.names.is_empty() || !changes.gone.is_empty();
                    let frame =
                        Frame::of("names", id).with("names", changes.names).with("gone", changes.gone);
                    // Without room, the next look reports these changes again.
                    if !is_new || self.answer_with_room(&frame).is_ok() {
                        since = Some(changes.version);
                    }
                }
                Ok(Err(error)) if error.kind() == ErrorKind::Lagged => {
                    self.state().follows.remove(&id);
                    return self.answer(&Frame::of("closed", id).with("error", error_value(&error)));
                }
                Ok(Err(error)) => self.fail(Some(id), &error),
                Err(_) => return,
            }
            drop(turn);
            tokio::time::sleep(FOLLOW).await;
        }
    }

    fn publisher_id(&self, frame: &Received) -> Result<u64> {
        let id = frame.id()?;
        if self.state().publishers.contains_key(&id) { Ok(id) } else { Err(unknown(id)) }
    }

    fn server_id(&self, frame: &Received) -> Result<u64> {
        let id = frame.id()?;
        if self.state().servers.contains_key(&id) { Ok(id) } else { Err(unknown(id)) }
    }

    fn publishing(self: &Arc<Session>) -> Result<()> {
        let mut state = self.state();
        if state.publishing.is_none() {
            let (sender, receiver) = mpsc::channel(PUBLISHERS);
            let session = self.clone();
            start_thread("publishing", move || work(&session, session.format, receiver))?;
            state.publishing = Some(sender);
        }
        Ok(())
    }

    fn publish(&self, work: Work) -> Result<()> {
        *self.later.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
        Ok(())
    }
}

fn unknown(id: u64) -> Error {
    Error::new(ErrorKind::InvalidState, format!("nothing of this client has the id {id} now"))
}

fn full(what: &str, most: usize) -> Error {
    Error::new(ErrorKind::Full, format!("a client has at most {most} {what}"))
}
