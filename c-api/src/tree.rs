//! A value under construction: a tree with a cursor.
//!
//! Programs often fill a message repeatedly with equal keys in equal order. A cleared tree therefore keeps its map, and
//! a repeated key at its position reuses memory.

use std::mem;

use linkspan::value::Map;
use linkspan::{Error, ErrorKind, Limits, Result, Value};

/// The open arrays and maps form one path from the root.
#[derive(Default)]
pub(crate) struct Tree {
    root: Option<Value>,
    /// The positions from the root to the innermost open array or map; `None` if nothing is open.
    open: Option<Vec<usize>>,
    /// Whether the first key opened the root, so that it needs no end.
    implied: bool,
    /// The number of root entries of this value, the others are keys of the previous one; `None` for all.
    reused: Option<usize>,
}

/// The longest map that is kept. Up to this length it has no key table to rebuild.
const KEPT_ENTRIES: usize = 16;
/// The longest key that is kept, in bytes.
const KEPT_KEY: usize = 64;

static NULL: Value = Value::Null;

impl Tree {
    /// A complete value.
    pub fn of(value: Value) -> Tree {
        Tree { root: Some(value), ..Tree::default() }
    }

    /// A map with keys, open for more.
    pub fn begun(map: Value) -> Tree {
        Tree { open: Some(Vec::new()), implied: true, ..Tree::of(map) }
    }

    /// Whether it is empty and keeps nothing of a previous value.
    pub fn is_unused(&self) -> bool {
        self.root.is_none()
    }

    /// Clears the value, but keeps the keys of a short map.
    pub fn clear(&mut self) {
        self.open = None;
        self.implied = false;
        self.reused = None;
        if let Some(Value::Map(entries)) = &mut self.root
            && entries.len() <= KEPT_ENTRIES
        {
            entries.values_mut().for_each(|value| *value = Value::Null);
            if entries.keys().any(|key| key.len() > KEPT_KEY) {
                entries.retain(|key, _| key.len() <= KEPT_KEY);
            }
            if !entries.is_empty() {
                self.reused = Some(0);
                return;
            }
        }
        self.root = None;
    }

    /// Whether keys of the previous value remain. [`trim`](Self::trim) removes them before reads.
    pub fn has_stale(&self) -> bool {
        match (self.reused, &self.root) {
            (Some(fresh), Some(Value::Map(entries))) => fresh < entries.len(),
            _ => false,
        }
    }

    pub fn trim(&mut self) {
        let Some(fresh) = self.reused.take() else { return };
        if fresh == 0 && self.open.is_none() {
            self.root = None;
        } else if let Some(Value::Map(entries)) = &mut self.root {
            keep_first(entries, fresh);
        }
    }

    /// The value so far, complete or not.
    pub fn so_far(&self) -> &Value {
        self.root.as_ref().unwrap_or(&NULL)
    }

    /// Returns the value if nothing is open.
    pub fn whole(&self) -> Result<&Value> {
        let open = self.open.as_ref().map_or(0, |open| open.len() + usize::from(!self.implied));
        if open > 0 {
            let text = format!("{open} arrays or maps are still open; end each of them");
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        Ok(self.so_far())
    }

    fn is_empty(&self) -> bool {
        self.root.is_none() || (self.reused == Some(0) && self.open.is_none())
    }

    fn depth(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.len() + 1)
    }

    /// Puts a value at the cursor and returns its position.
    pub fn put(&mut self, key: Option<&str>, mut value: Value) -> Result<usize> {
        self.put_from(key, &mut value)
    }

    /// Like [`put`](Self::put), but takes the value only on success.
    pub fn put_from(&mut self, key: Option<&str>, value: &mut Value) -> Result<usize> {
        // Other values are as deep as their container, which was checked at its begin.
        if matches!(value, Value::Array(_) | Value::Map(_)) {
            let limit = Limits::default().depth as usize;
            if self.depth() + depth_within(value, limit) > limit {
                let text =
                    format!("over the depth limit: {limit} levels of nested arrays and maps are allowed");
                return Err(Error::new(ErrorKind::TooLarge, text));
            }
        }
        self.put_with(key, || mem::take(value))
    }

    /// Puts the result of `value`, neither an array nor a map. Calls it only if nothing prevents the put.
    pub fn put_with(&mut self, key: Option<&str>, value: impl FnOnce() -> Value) -> Result<usize> {
        if self.is_empty() {
            if key.is_none() {
                self.root = Some(value());
                self.reused = None;
                return Ok(0);
            }
            self.root.get_or_insert_with(|| Value::Map(Map::new()));
        }
        let Some(mut here) = self.root.as_mut() else { unreachable!("the root was made above") };
        if self.open.is_none() {
            if !matches!(here, Value::Map(_)) {
                return Err(state("the message holds a whole value already; clear it first"));
            }
            self.open = Some(Vec::new());
            self.implied = true;
        }
        if let (Some(fresh), Some(key), Value::Map(entries)) = (self.reused, key, &mut *here)
            && self.open.as_ref().is_some_and(Vec::is_empty)
        {
            if let Some((there, slot)) = entries.get_index_mut(fresh)
                && there == key
            {
                *slot = value();
                self.reused = Some(fresh + 1);
                return Ok(fresh);
            }
            keep_first(entries, fresh);
            self.reused = None;
        }
        for position in self.open.iter().flatten() {
            here = match here {
                Value::Array(items) => &mut items[*position],
                Value::Map(entries) => &mut entries[*position],
                _ => unreachable!("only arrays and maps are opened"),
            };
        }
        match (here, key) {
            (Value::Map(entries), Some(key)) => Ok(entries.insert_full(key.to_owned(), value()).0),
            (Value::Array(items), None) => {
                items.push(value());
                Ok(items.len() - 1)
            }
            (Value::Map(_), None) => Err(state("a value in a map needs a key, NULL was given")),
            (_, Some(key)) => Err(state(&format!("an array's items have a NULL key, {key:?} was given"))),
            _ => unreachable!("only arrays and maps are opened"),
        }
    }

    /// Puts an empty array or map and moves the cursor into it.
    pub fn begin(&mut self, key: Option<&str>, empty: Value) -> Result<()> {
        let at_root = self.is_empty() && key.is_none();
        let position = self.put(key, empty)?;
        match &mut self.open {
            Some(open) => open.push(position),
            None if at_root => self.open = Some(Vec::new()),
            None => unreachable!("putting into a map opens it"),
        }
        Ok(())
    }

    /// Moves the cursor out of the innermost array or map.
    pub fn end(&mut self) -> Result<()> {
        match &mut self.open {
            Some(open) if !open.is_empty() => {
                open.pop();
                Ok(())
            }
            Some(_) if !self.implied => {
                self.open = None;
                Ok(())
            }
            _ => Err(state("no array or map is open")),
        }
    }
}

fn keep_first(entries: &mut Map, count: usize) {
    let mut position = 0;
    entries.retain(|_, _| {
        position += 1;
        position <= count
    });
}

#[cold]
fn state(text: &str) -> Error {
    Error::new(ErrorKind::InvalidState, text)
}

/// Returns the depth of nested arrays and maps, counted to one above `limit`.
fn depth_within(value: &Value, limit: usize) -> usize {
    let inner = |values: &mut dyn Iterator<Item = &Value>| {
        if limit == 0 { 1 } else { 1 + values.map(|v| depth_within(v, limit - 1)).max().unwrap_or(0) }
    };
    match value {
        Value::Array(items) => inner(&mut items.iter()),
        Value::Map(entries) => inner(&mut entries.values()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trimmed(tree: &mut Tree) -> Value {
        tree.trim();
        assert!(!tree.has_stale());
        tree.whole().unwrap().clone()
    }

    fn put_all(tree: &mut Tree, entries: &[(&str, i64)]) {
        for (key, value) in entries {
            tree.put(Some(key), Value::Int(*value)).unwrap();
        }
    }

    #[test]
    fn tree_cleared_and_filled_with_other_keys_equals_a_new_one() {
        let first = [("a", 1), ("b", 2), ("c", 3)];
        let orders: &[&[(&str, i64)]] = &[
            &[("a", 4), ("b", 5), ("c", 6)],
            &[("a", 4), ("b", 5)],
            &[("a", 4), ("c", 5), ("b", 6)],
            &[("a", 4), ("b", 5), ("a", 6)],
            &[("a", 4), ("b", 5), ("c", 6), ("d", 7)],
            &[("b", 4), ("a", 5), ("b", 6)],
            &[("d", 4)],
            &[("a", 4)],
        ];
        for entries in orders {
            let (mut new, mut used) = (Tree::default(), Tree::default());
            put_all(&mut new, entries);
            put_all(&mut used, &first);
            used.clear();
            put_all(&mut used, entries);
            assert_eq!(trimmed(&mut used), *new.whole().unwrap(), "{entries:?}");
            // A key that is put after a read also belongs to the value.
            used.put(Some("e"), Value::Null).unwrap();
            new.put(Some("e"), Value::Null).unwrap();
            assert_eq!(trimmed(&mut used), *new.whole().unwrap(), "{entries:?}");
        }
    }

    #[test]
    fn tree_cleared_is_null_and_takes_any_value() {
        let mut tree = Tree::default();
        put_all(&mut tree, &[("a", 1)]);
        tree.clear();
        assert_eq!(trimmed(&mut tree), Value::Null);
        put_all(&mut tree, &[("a", 1)]);
        tree.clear();
        tree.put(None, Value::Int(7)).unwrap();
        assert_eq!(trimmed(&mut tree), Value::Int(7));
        tree.clear();
        put_all(&mut tree, &[("a", 1)]);
        tree.clear();
        tree.begin(None, Value::Array(Vec::new())).unwrap();
        tree.put(None, Value::Int(8)).unwrap();
        tree.end().unwrap();
        assert_eq!(trimmed(&mut tree), Value::Array(vec![Value::Int(8)]));
    }

    #[test]
    fn tree_cleared_with_a_map_inside_builds_it_anew() {
        let mut tree = Tree::default();
        for value in [1, 2] {
            tree.clear();
            tree.begin(Some("inner"), Value::Map(Map::new())).unwrap();
            put_all(&mut tree, &[("x", value)]);
            tree.end().unwrap();
            put_all(&mut tree, &[("last", value)]);
            let inner = Value::map([("x", Value::Int(value))]);
            assert!(!tree.has_stale());
            let whole = Value::map([("inner", inner), ("last", Value::Int(value))]);
            assert_eq!(*tree.whole().unwrap(), whole);
        }
    }

    #[test]
    fn tree_cleared_keeps_neither_long_keys_nor_many() {
        let mut tree = Tree::default();
        put_all(&mut tree, &[(&"k".repeat(KEPT_KEY + 1), 1)]);
        tree.clear();
        assert!(tree.root.is_none());
        for n in 0..=KEPT_ENTRIES {
            tree.put(Some(&n.to_string()), Value::Null).unwrap();
        }
        tree.clear();
        assert!(tree.root.is_none());
    }
}
