//! Checks a journal after a power cut: all acknowledged or delivered records, in order, and open to the next
//! writer.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use linkspan::schema::Schema;
use linkspan::{ErrorKind, Message, Options, Publisher, Subscriber, Value, registry};

use super::facts::Facts;
use super::histories::Random;
use super::life::{Live, state};
use super::text::{self, Shape, with_schemas};

const NOW: Duration = Duration::ZERO;

const NEXT: u64 = u64::MAX;

fn options(set: &[(&str, Value)]) -> Options {
    let mut options = Options::default();
    for (name, value) in set {
        options.set(name, value).unwrap();
    }
    options
}

pub fn judge(root: &Path, form: u64, facts: &Facts, live: &Live, random: &mut Random) -> Result<(), String> {
    std::fs::create_dir_all(state(root)).unwrap();
    let endpoint = format!("journal:{}/lab@x.journal", state(root).display());
    let shape = Shape::of(form);
    let judge = Judge { endpoint, shape, with_schemas: with_schemas(form), facts, oldest: live.oldest };
    // Readers may start before the next writer, and their records stay.
    let before = if random.one_in(2) { Some(judge.all()?) } else { None };
    let publisher =
        Publisher::new(&judge.endpoint, &options(&[("segment_bytes", judge.shape.segment.into())]))
            .map_err(|e| format!("the next writer is refused: {e}"))?;
    let number =
        publisher.send(&Value::from("next")).map_err(|e| format!("the next message is refused: {e}"))?;
    let mut all = judge.all()?;
    if all.pop_last() != Some((number, NEXT)) {
        return Err(format!("the next message got number {number}, and is not the last"));
    }
    if let Some(before) = before.filter(|before| *before != all) {
        return Err(format!("readers were shown {before:?}, and the next writer left {all:?}"));
    }
    let last = judge.numbers().map(|(number, _)| number).max().unwrap_or(0);
    if number <= last {
        return Err(format!("the next message got number {number}, and {last} was given before"));
    }
    for name in facts.finishing.keys() {
        judge.consumer(name, number)?;
    }
    Ok(())
}

struct Judge<'a> {
    endpoint: String,
    shape: Shape,
    with_schemas: bool,
    facts: &'a Facts,
    oldest: u64,
}

impl Judge<'_> {
    /// Returns the numbers that were certainly assigned, and their texts.
    fn numbers(&self) -> impl Iterator<Item = (u64, u64)> {
        let both = self.facts.kept.iter().chain(&self.facts.seen);
        both.filter_map(|(id, number)| Some(((*number)?, *id)))
    }

    fn all(&self) -> Result<BTreeMap<u64, u64>, String> {
        let reader = Subscriber::new(&self.endpoint, &options(&[("from", "first".into())]))
            .map_err(|e| format!("no reader: {e}"))?;
        let mut all = BTreeMap::new();
        let (mut last, mut schema) = (None, 0);
        loop {
            let message = match reader.try_recv() {
                Ok(message) => message,
                Err(e) if matches!(e.kind(), ErrorKind::Empty | ErrorKind::NotFound) => break,
                Err(e) => return Err(format!("a reader from the first on, after {last:?}: {e}")),
            };
            let number = message.sequence();
            if last.is_some_and(|last| last + 1 != number) {
                return Err(format!("number {number} follows {last:?}"));
            }
            last = Some(number);
            let id = known(&message)?;
            if id != NEXT && !self.facts.tried.contains_key(&id) {
                return Err(format!("number {number} holds text {id}, which was never sent"));
            }
            if self.with_schemas && id != NEXT {
                schema = self.schema_of(&message, id, schema)?;
            }
            all.insert(number, id);
        }
        for (number, id) in self.numbers().filter(|(number, _)| *number >= self.oldest) {
            if all.get(&number) != Some(&id) {
                return Err(format!("number {number} was text {id}, and is {:?}", all.get(&number)));
            }
        }
        Ok(all)
    }

    /// Returns the version of a text's schema, which must lie between the previous text's and the text.
    fn schema_of(&self, message: &Message, id: u64, before: u32) -> Result<u32, String> {
        let form = registry::schema_of(&self.endpoint, message);
        let schema = form.and_then(|form| Schema::from_bytes(&form));
        let version = schema.map_err(|e| format!("the schema of text {id}: {e}"))?.version;
        if version < before || u64::from(version) > id {
            return Err(format!("text {id} was written with version {version}, behind {before}"));
        }
        Ok(version)
    }

    /// A named reader continues at its position, or a little before.
    fn consumer(&self, name: &str, last: u64) -> Result<(), String> {
        let options = options(&[("client_id", name.into())]);
        let reader =
            Subscriber::new(&self.endpoint, &options).map_err(|e| format!("the reader {name}: {e}"))?;
        let most = self.facts.finishing[name].last().copied().unwrap_or(0);
        let mut next = None;
        while next != Some(last + 1) {
            match reader.recv(NOW) {
                Ok(message) => {
                    let number = message.sequence();
                    if next.is_some_and(|next| next != number) {
                        return Err(format!("the reader {name} was given {number} and not {next:?}"));
                    }
                    if next.is_none() && number > (most + 1).max(self.oldest) {
                        return Err(format!(
                            "the reader {name} goes on at {number}, and had acknowledged {most}"
                        ));
                    }
                    known(&message)?;
                    next = Some(number + 1);
                }
                // The rule on bytes also deletes unread records.
                Err(e) if e.kind() == ErrorKind::Lagged && self.shape.bytes.is_some() && next.is_none() => {}
                Err(e) => return Err(format!("the reader {name}, at {next:?}: {e}")),
            }
        }
        Ok(())
    }
}

fn known(message: &Message) -> Result<u64, String> {
    let number = message.sequence();
    let text = message.value().and_then(Value::as_text).map_err(|e| format!("number {number}: {e}"))?;
    if text == "next" {
        return Ok(NEXT);
    }
    text::id(text).ok_or_else(|| format!("number {number} holds no text of ours: {text:.60}"))
}
