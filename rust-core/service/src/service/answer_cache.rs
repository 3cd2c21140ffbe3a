//! The final answers of a service, cached for repeated commands.
//!
//! A repeated command must not be carried out twice. The cache is bounded by number and by bytes.
//! [`Lifecycle`](super::lifecycle::Lifecycle) accounts for a dropped answer while its command is
//! open.

use std::collections::{HashMap, VecDeque};

use super::command::Answer;
use crate::value::Value;

const COUNT: usize = 1024;
const BYTES: usize = 8 << 20;

/// The newest final answers by id.
#[derive(Default)]
pub struct AnswerCache {
    /// Each answer with its approximate size in bytes.
    known: HashMap<Box<str>, (Answer, usize)>,
    order: VecDeque<Box<str>>,
    bytes: usize,
}

impl AnswerCache {
    pub fn get(&self, id: &str) -> Option<&Answer> {
        self.known.get(id).map(|(answer, _)| answer)
    }

    pub fn keep(&mut self, answer: &Answer) {
        if self.known.contains_key(&answer.id) {
            return;
        }
        let texts = answer.failure.as_ref().map_or(0, |failure| failure.kind.len() + failure.text.len());
        let weight = answer.id.len() + texts + weight(&answer.value);
        self.known.insert(answer.id.clone(), (answer.clone(), weight));
        self.order.push_back(answer.id.clone());
        self.bytes += weight;
        // The newest answer stays, however large.
        while self.order.len() > 1 && (self.order.len() > COUNT || self.bytes > BYTES) {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some((_, weight)) = self.known.remove(&oldest) {
                self.bytes -= weight;
            }
        }
    }
}

pub fn weight(value: &Value) -> usize {
    const NODE: usize = 64;
    NODE + match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::NdArray(array) => array.as_ref().data.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Map(map) => map.iter().map(|(key, value)| key.len() + weight(value)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::command::Outcome;
    use crate::service::state::State;

    fn answer(id: &str, value: Value) -> Answer {
        Answer { id: id.into(), outcome: Outcome::Done, state: State::Running, value, failure: None }
    }

    #[test]
    fn answer_cache_keeps_newest_within_limits() {
        let mut answers = AnswerCache::default();
        for i in 0..COUNT + 5 {
            answers.keep(&answer(&i.to_string(), (i as u64).into()));
        }
        assert!(answers.get("4").is_none());
        assert_eq!(answers.get("5").unwrap().value, Value::from(5u64));
        let large = Value::from("x".repeat(BYTES / 2 + 1));
        answers.keep(&answer("large", large.clone()));
        assert!(answers.get("5").is_none() && answers.get(&(COUNT + 4).to_string()).is_some());
        answers.keep(&answer("larger", large));
        assert!(answers.get("large").is_none() && answers.get("larger").is_some());
        assert_eq!(answers.order.len(), answers.known.len());
    }
}
