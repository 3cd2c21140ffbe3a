//! Checks a durable spool after a power cut.
//!
//! All accepted and unacknowledged messages are there in order and once; answers and rejected files byte for
//! byte.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan::schema::Schema;
use linkspan::{Channel, ErrorKind, Listener, Message, Options, Server, Value, registry};

use super::facts::Facts;
use super::life::state;
use super::text::{self, with_schemas};

const NOW: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(60);

const NEXT: u64 = u64::MAX;

fn durable(name: &str) -> Options {
    let mut options = Options::default();
    for (option, value) in [
        ("durable", true.into()),
        ("encoding", "json".into()),
        ("ack", "manual".into()),
        ("client_id", name.into()),
    ] {
        options.set(option, &value).unwrap();
    }
    options
}

fn known(message: &Message) -> Result<u64, String> {
    let text = message.value().and_then(Value::as_text).map_err(|e| e.to_string())?;
    if text == "next" {
        return Ok(NEXT);
    }
    text::id(text).ok_or_else(|| format!("no text of ours: {text:.60}"))
}

fn there<T>(found: linkspan::Result<T>) -> Result<Option<T>, String> {
    match found {
        Err(e) if matches!(e.kind(), ErrorKind::Empty | ErrorKind::Timeout | ErrorKind::NotFound) => Ok(None),
        found => found.map(Some).map_err(|e| e.to_string()),
    }
}

struct Judge<'a> {
    endpoint: String,
    spool: PathBuf,
    facts: &'a Facts,
}

fn judge_at<'a>(root: &Path, facts: &'a Facts) -> Judge<'a> {
    std::fs::create_dir_all(state(root)).unwrap();
    let spool = state(root).join("lab@x.spool");
    Judge { endpoint: format!("spool:{}", spool.display()), spool, facts }
}

pub fn judge_requests(root: &Path, form: u64, facts: &Facts, server_first: bool) -> Result<(), String> {
    let judge = judge_at(root, facts);
    judge.answers_are_there()?;
    judge.refused_are_there(false)?;
    if with_schemas(form) {
        judge.schemas_are_there()?;
    }
    let connect =
        || Channel::connect(&judge.endpoint, &durable("panel"), SOON).map_err(|e| format!("a client: {e}"));
    let early = if server_first { None } else { Some(connect()?) };
    let server =
        Server::serve(&judge.endpoint, &durable("worker")).map_err(|e| format!("the next server: {e}"))?;
    let client = early.map_or_else(connect, Ok)?;
    client.send(&Value::from("next"), SOON).map_err(|e| format!("the next message: {e}"))?;
    let mut given = Vec::new();
    while let Some(request) = there(server.next(NOW))?.flatten() {
        given.push(known(request.message())?);
        if request.wants_reply() {
            request.reply(&Value::from("done")).map_err(|e| e.to_string())?;
        }
        request.ack().map_err(|e| e.to_string())?;
    }
    judge.is_all(&given, |from| from != "server", "panel")?;
    judge.refused_are_there(true)
}

pub fn judge_channel(root: &Path, facts: &Facts) -> Result<(), String> {
    let judge = judge_at(root, facts);
    let far =
        Channel::connect(&judge.endpoint, &durable("panel"), SOON).map_err(|e| format!("the client: {e}"))?;
    let near = Listener::listen(&judge.endpoint, &durable("worker"))
        .and_then(|listener| listener.accept(SOON))
        .map_err(|e| format!("the listener: {e}"))?;
    for (from, at, name) in [(&far, &near, "panel"), (&near, &far, "server")] {
        from.send(&Value::from("next"), SOON).map_err(|e| format!("the next message: {e}"))?;
        let mut given = Vec::new();
        while let Some(message) = there(at.try_recv())? {
            given.push(known(&message)?);
            at.ack().map_err(|e| e.to_string())?;
        }
        judge.is_all(&given, |from| from == name, name)?;
    }
    Ok(())
}

impl Judge<'_> {
    /// Checks for exactly the expected texts of certain senders; `last` sent one more.
    fn is_all(&self, given: &[u64], wanted: impl Fn(&str) -> bool, last: &str) -> Result<(), String> {
        let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
        let mut once = BTreeSet::new();
        for id in given {
            if !once.insert(*id) {
                return Err(format!("text {id} came twice: {given:?}"));
            }
            let from = match self.facts.tried.get(id) {
                Some(from) => from.as_str(),
                None if *id == NEXT => last,
                None => return Err(format!("text {id} came, which was never sent")),
            };
            if !wanted(from) {
                return Err(format!("text {id} of {from} came to another client"));
            }
            // A script's files have their own order.
            let before = newest.insert(from, *id).unwrap_or(0);
            if before > *id {
                return Err(format!("text {id} of {from} came after {before}: {given:?}"));
            }
        }
        if !once.contains(&NEXT) {
            return Err(format!("the next message did not come: {given:?}"));
        }
        let kept = self.facts.kept.keys().filter(|id| wanted(&self.facts.tried[*id]));
        for id in kept.filter(|id| !self.facts.may_be_finished(**id)) {
            if !once.contains(id) {
                return Err(format!(
                    "text {id} was received and not acknowledged, and it is gone: {given:?}"
                ));
            }
        }
        Ok(())
    }

    fn files(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let Ok(entries) = std::fs::read_dir(self.spool.join(folder)) else { return Vec::new() };
        let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        paths.map(|path| (named(&path), std::fs::read(path).unwrap())).collect()
    }

    /// After the server's first action its schemas are there whole; before that whole or absent.
    fn schemas_are_there(&self) -> Result<(), String> {
        let is_certain = self.facts.done.get("server").is_some_and(|done| !done.is_empty());
        let read = [registry::schema(&self.endpoint), registry::reply_schema(&self.endpoint)];
        for (form, name) in read.into_iter().zip(["asked", "replied"]) {
            match form {
                Ok(form) => {
                    let found = Schema::from_bytes(&form).map_err(|e| e.to_string())?;
                    if found.name != name {
                        return Err(format!("the schema of what is {name} is that of {}", found.name));
                    }
                }
                Err(e) if e.kind() == ErrorKind::Missing && !is_certain => {}
                Err(e) => return Err(format!("the schema of what is {name}: {e}")),
            }
        }
        Ok(())
    }

    fn answers_are_there(&self) -> Result<(), String> {
        let answers = self.files("client");
        let holds = |id: u64| {
            let text = format!("\"{}\"", text::text(id)).into_bytes();
            answers.iter().any(|(name, body)| !name.starts_with('.') && *body == text)
        };
        match self.facts.unfetched().find(|id| !holds(*id)) {
            Some(id) => {
                Err(format!("request {id} was answered, and the answer is gone before it was fetched"))
            }
            None => Ok(()),
        }
    }

    /// A file that is not a message is kept byte for byte, after a read in `rejected/`.
    fn refused_are_there(&self, looked_at: bool) -> Result<(), String> {
        let rejected = self.files("rejected");
        let waiting = self.files("server");
        for (id, (name, _)) in self.facts.bad.iter().filter(|(_, (_, posted))| *posted) {
            let body = format!("{{ {}", text::text(*id)).into_bytes();
            let is = |(file, bytes): &(String, Vec<u8>)| file == name && *bytes == body;
            if !rejected.iter().any(is) && (looked_at || !waiting.iter().any(is)) {
                return Err(format!("{name} was there, and is not kept"));
            }
            let answer = format!("{name}.error");
            if looked_at && !self.files("client").iter().any(|(file, _)| *file == answer) {
                return Err(format!("{name} was refused, and no client was informed"));
            }
        }
        Ok(())
    }
}
