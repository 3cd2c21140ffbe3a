//! The thread that publishes and answers for a client, in the order of its frames. Publishing to a journal may wait
//! for the disk.

use std::collections::HashMap;
use std::sync::Arc;

use linkspan::service::start_thread;
use linkspan::{Error, Publisher, Result};
use tokio::sync::mpsc;

use crate::asker::Asker;
use crate::frames::{Format, Frame, Written, error_value};
use crate::names::Name;
use crate::reading::with_tree;
use crate::requests::publisher;
use crate::room::Taken;
use crate::servers::{Outcome, Served};

pub enum Work {
    Open {
        id: u64,
        name: Name,
        schema: Option<String>,
    },
    Data {
        id: u64,
        value: Written,
        held: Option<Taken>,
    },
    /// A value that is not published, for this reason. It keeps the answers in the order of the frames.
    Refused {
        id: u64,
        error: Error,
    },
    Close {
        id: u64,
    },
    Serve {
        id: u64,
        name: Name,
        schema: Option<String>,
        reply_schema: Option<String>,
    },
    Answer {
        id: u64,
        call: u64,
        outcome: Outcome,
        held: Taken,
    },
    EndServer {
        id: u64,
    },
}

/// The names that a client serves; dropping it gives them up.
#[derive(Default)]
struct Servers(HashMap<u64, Arc<Served>>);

impl Drop for Servers {
    fn drop(&mut self) {
        for served in self.0.values() {
            served.close();
        }
    }
}

/// Works until the client ends, then ends its publishers and servers.
pub fn work<A: Asker + Send + Sync + 'static>(
    session: &Arc<A>,
    format: Format,
    mut asked: mpsc::Receiver<Work>,
) {
    let mut publishers: HashMap<u64, Publisher> = HashMap::new();
    let mut servers = Servers::default();
    while let Some(work) = asked.blocking_recv() {
        match work {
            Work::Open { id, name, schema } => match publisher(&name, schema.as_deref()) {
                Ok(publisher) => {
                    publishers.insert(id, publisher);
                    session.answer(&Frame::of("ack", id).with("number", 0_u64));
                }
                Err(error) => {
                    session.forget(id);
                    session.fail(Some(id), &error);
                }
            },
            Work::Data { id, value, held } => {
                // The client already has the error.
                let Some(publisher) = publishers.get(&id) else { continue };
                let payload = with_tree(&value, |value| publisher.encode_to_send(value));
                let sent = payload.and_then(|payload| publisher.send_payload(&payload));
                drop((value, held));
                match sent {
                    Ok(number) => {
                        session.published();
                        session.answer(&Frame::of("ack", id).with("number", number));
                    }
                    Err(error) => session.fail(Some(id), &error),
                }
            }
            Work::Refused { id, error } => session.fail(Some(id), &error),
            Work::Close { id } => {
                publishers.remove(&id);
                session.forget(id);
                session.answer(&Frame::of("closed", id));
            }
            Work::Serve { id, name, schema, reply_schema } => {
                let account = session.account();
                let served = Served::open(&name, schema.as_deref(), reply_schema.as_deref(), account);
                match served.and_then(|served| start(session, id, format, &served).map(|()| served)) {
                    Ok(served) => drop(servers.0.insert(id, served)),
                    Err(error) => {
                        session.forget(id);
                        session.fail(Some(id), &error);
                    }
                }
            }
            Work::Answer { id, call, outcome, held: _held } => {
                // The client and the callers already have the error.
                let Some(served) = servers.0.get(&id) else { continue };
                if let Err(error) = served.answer(call, &outcome) {
                    session.fail(Some(id), &error);
                }
            }
            Work::EndServer { id } => {
                if let Some(served) = servers.0.remove(&id) {
                    served.close();
                }
                session.forget(id);
                session.answer(&Frame::of("closed", id));
            }
        }
    }
}

fn start<A: Asker + Send + Sync + 'static>(
    session: &Arc<A>,
    id: u64,
    format: Format,
    served: &Arc<Served>,
) -> Result<()> {
    let (session, served) = (session.clone(), served.clone());
    // Before the thread starts, because its first request must follow the acknowledgement.
    session.answer(&Frame::of("ack", id).with("number", 0_u64));
    let started = start_thread("serving", move || {
        if let Err(error) = served.take_requests(id, format, &*session) {
            served.close();
            session.forget(id);
            session.answer(&Frame::of("closed", id).with("error", error_value(&error)));
        }
    });
    started.map(drop)
}
