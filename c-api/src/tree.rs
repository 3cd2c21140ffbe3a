//! A value that is being built: a tree with a cursor.

use linkspan::value::Map;
use linkspan::{Error, ErrorKind, Limits, Result, Value};

/// A value that is being built: the arrays and maps that are open lie on one path from the root.
#[derive(Default)]
pub(crate) struct Tree {
    root: Option<Value>,
    /// Positions from the root to the innermost open array or map; none where nothing is open.
    open: Option<Vec<usize>>,
    /// Whether the root was opened by the first key that was put, so that it needs no end.
    implied: bool,
}

static NULL: Value = Value::Null;

impl Tree {
    /// A whole value.
    pub fn of(value: Value) -> Tree {
        Tree { root: Some(value), open: None, implied: false }
    }

    /// What is there, be it whole or not.
    pub fn so_far(&self) -> &Value {
        self.root.as_ref().unwrap_or(&NULL)
    }

    /// The value, once everything that was begun has ended.
    pub fn whole(&self) -> Result<&Value> {
        let open = self.open.as_ref().map_or(0, |open| open.len() + usize::from(!self.implied));
        if open > 0 {
            let text = format!("{open} arrays or maps are still open; call linkspan_message_end for each");
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        Ok(self.so_far())
    }

    fn depth(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.len() + 1)
    }

    /// Puts a value at the cursor and gives its position.
    pub fn put(&mut self, key: Option<&str>, value: Value) -> Result<usize> {
        let limit = Limits::default().depth as usize;
        if self.depth() + depth_within(&value, limit) > limit {
            let text = format!("over the depth limit: {limit} levels of nested arrays and maps are allowed");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        match (&mut self.root, key) {
            (root @ None, None) => {
                *root = Some(value);
                return Ok(0);
            }
            (root @ None, Some(_)) => *root = Some(Value::Map(Map::new())),
            _ => {}
        }
        let Some(mut here) = self.root.as_mut() else { unreachable!("the root was made above") };
        if self.open.is_none() {
            if !matches!(here, Value::Map(_)) {
                return Err(state(
                    "the message holds a whole value already; call linkspan_message_clear first",
                ));
            }
            self.open = Some(Vec::new());
            self.implied = true;
        }
        for position in self.open.iter().flatten() {
            here = match here {
                Value::Array(items) => &mut items[*position],
                Value::Map(entries) => &mut entries[*position],
                _ => unreachable!("only arrays and maps are opened"),
            };
        }
        match (here, key) {
            (Value::Map(entries), Some(key)) => Ok(entries.insert_full(key.to_owned(), value).0),
            (Value::Array(items), None) => {
                items.push(value);
                Ok(items.len() - 1)
            }
            (Value::Map(_), None) => Err(state("a value in a map needs a key, NULL was given")),
            (_, Some(key)) => Err(state(&format!("an array's items have a NULL key, {key:?} was given"))),
            _ => unreachable!("only arrays and maps are opened"),
        }
    }

    /// Puts an empty array or map and moves the cursor into it.
    pub fn begin(&mut self, key: Option<&str>, empty: Value) -> Result<()> {
        let at_root = self.root.is_none() && key.is_none();
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

#[cold]
fn state(text: &str) -> Error {
    Error::new(ErrorKind::InvalidState, text)
}

/// How many arrays and maps lie inside each other, counted to one more than `limit`.
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
