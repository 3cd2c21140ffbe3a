//! A dict while its entries arrive.

use linkspan::value::repeated_key;
use linkspan::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::errors::Outcome;
use crate::keys::{self, Key, Map};
use crate::made::{self, NoMemory};
use crate::template::{self, Like, Number};

pub struct Entries<'py> {
    dict: Bound<'py, PyDict>,
    /// The announced number of entries.
    length: usize,
    key: Option<Bound<'py, PyString>>,
    insertion: Insertion,
}

enum Insertion {
    First,
    /// The dict is a copy of a template and already has the keys.
    Like(Like),
    Each(Map, Option<Number>),
}

impl<'py> Entries<'py> {
    pub fn begin(py: Python<'py>, length: usize) -> Outcome<Entries<'py>> {
        Ok(Entries {
            dict: made::dict(py).map_err(NoMemory::raised)?,
            length,
            key: None,
            insertion: Insertion::First,
        })
    }

    /// Takes the next key if it is cached, and thus valid text. A repeated key is an error.
    pub fn known_key(&mut self, key: &[u8]) -> Outcome<bool> {
        let py = self.dict.py();
        if let Insertion::First = self.insertion {
            let number = template::number(key, self.length);
            self.insertion = match template::begin(py, key, self.length, number) {
                Some((dict, like)) => {
                    self.dict = dict;
                    Insertion::Like(like)
                }
                None => Insertion::Each(keys::begin_map(), Some(number)),
            };
        }
        if let Insertion::Like(like) = &mut self.insertion {
            if let Some(next) = like.key(py, key) {
                self.key = Some(next);
                return Ok(true);
            }
            self.leave_template()?;
        }
        match keys::kept(py, key, self.map()) {
            Some(key) => self.next(key).map(|()| true),
            None => Ok(false),
        }
    }

    /// A repeated key is an error.
    pub fn key(&mut self, text: &str) -> Outcome<()> {
        if self.known_key(text.as_bytes())? {
            return Ok(());
        }
        let key = keys::keep(self.dict.py(), text, self.map())?;
        self.next(key)
    }

    pub fn put(&mut self, value: Bound<'py, PyAny>) -> Outcome<()> {
        let Some(key) = self.key.take() else {
            return Err(Error::new(ErrorKind::Internal, "a value came into a map without its key").into());
        };
        Ok(self.dict.set_item(key, value)?)
    }

    pub fn end(mut self) -> Outcome<Bound<'py, PyDict>> {
        match &self.insertion {
            Insertion::Like(like) if !like.is_complete() => self.leave_template()?,
            Insertion::Each(_, Some(number)) => template::see(&self.dict, *number),
            _ => {}
        }
        Ok(self.dict)
    }

    fn map(&self) -> Map {
        if let Insertion::Each(map, _) = self.insertion { map } else { Map::OTHER }
    }

    #[cold]
    fn leave_template(&mut self) -> Outcome<()> {
        if let Insertion::Like(like) = &self.insertion {
            self.dict = like.entries(&self.dict)?;
            // Keys of a template bypass the cache. A map around this one must not rely on entries that the following
            // keys replace.
            keys::begin_map();
            self.insertion = Insertion::Each(Map::OTHER, None);
        }
        Ok(())
    }

    #[inline]
    fn next(&mut self, key: Key<'py>) -> Outcome<()> {
        if !key.is_new && self.dict.contains(&key.text)? {
            return Err(repeated_key(&key.text.to_string_lossy()).into());
        }
        self.key = Some(key.text);
        Ok(())
    }
}
