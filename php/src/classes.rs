//! Reads the constants of generated classes once per request: the keys of properties, and the data of plans.
//!
//! `LINKSPAN_FIELDS` has a row for each property in the order of the schema: its keys, its type, and whether null is
//! left out. A type is a name, or a list: `['list', type]`, `['map', type]`, `['ndarray', dtype, lengths, order]`,
//! `['class', name]`, `['enum', name, default]`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use ext_php_rs::types::{ZendHashTable, ZendObject, Zval};
use ext_php_rs::zend::ClassEntry;
use linkspan::codec::FlatKey;
use linkspan::value::plan::{Handles, Shape};
use linkspan::{Error, ErrorKind, Result};

use crate::zend::{self, Entries, Key, Property};

/// The handles in plans: positions in the lists of [`ClassPlan`].
#[derive(Debug)]
pub struct Numbers;

impl Handles for Numbers {
    type Class = u32;
    type Field = ();
    type Member = u32;
}

pub struct ClassPlan {
    pub shape: Arc<Shape<Numbers>>,
    pub classes: Vec<Class>,
    /// Cases of enums.
    pub members: Vec<Zval>,
}

/// Properties are in the order of the schema.
pub struct Class {
    pub entry: &'static ClassEntry,
    pub properties: Vec<(Property, Option<Zval>)>,
}

pub struct SentClass {
    pub fields: Vec<SentField>,
    /// False after an instance with a value beyond a flat record: later instances are walked at once.
    pub is_flat: Cell<bool>,
}

pub struct SentField {
    pub name: String,
    pub key: String,
    /// The key for flat records; `None` if it is too long for any message.
    pub encoded: Option<FlatKey>,
    pub property: Property,
    /// Whether null is left out.
    pub is_optional: bool,
    pub form: Form,
}

/// PHP arrays are lists or maps.
pub enum Form {
    Plain,
    ListOf(Box<Form>),
    MapOf(Box<Form>),
}

type Known = (*const ClassEntry, Rc<SentClass>);

thread_local! {
    /// The class of the previous sent object, which most objects share.
    static LAST: RefCell<Option<Known>> = const { RefCell::new(None) };
    static SENT: RefCell<HashMap<*const ClassEntry, Option<Rc<SentClass>>>> = RefCell::default();
}

pub fn forget() {
    // Taken out of the cells first: dropping may destroy PHP objects.
    drop((LAST.take(), SENT.take()));
}

/// Returns `None` if the instance's class differs from the previous one.
pub fn last_sent(object: &ZendObject) -> Option<Rc<SentClass>> {
    LAST.with_borrow(|last| {
        let (entry, sent) = last.as_ref()?;
        std::ptr::eq(*entry, object.ce).then(|| sent.clone())
    })
}

/// Returns `None` if the class has no `LINKSPAN_FIELDS`.
pub fn sent(object: &ZendObject) -> Result<Option<Rc<SentClass>>> {
    let entry = object.get_class_entry();
    let at = std::ptr::from_ref(entry);
    if let Some(known) = SENT.with_borrow(|sent| sent.get(&at).cloned()) {
        LAST.set(known.clone().map(|known| (at, known)));
        return Ok(known);
    }
    let made = match zend::constant(entry, "LINKSPAN_FIELDS").and_then(Zval::array) {
        Some(rows) => {
            Some(Rc::new(SentClass { fields: sent_fields(entry, rows)?, is_flat: Cell::new(true) }))
        }
        None => None,
    };
    SENT.with_borrow_mut(|sent| sent.insert(at, made.clone()));
    Ok(made)
}

fn sent_fields(entry: &ClassEntry, rows: &ZendHashTable) -> Result<Vec<SentField>> {
    let row = |(name, row)| {
        let row = Row::new(entry, name, row)?;
        let [key, ..] = &row.keys[..] else { return Err(wrong(entry, "a property without a key")) };
        Ok(SentField {
            name: row.name.to_owned(),
            key: key.clone(),
            encoded: FlatKey::new(key),
            property: row.property,
            is_optional: row.is_optional,
            form: form(row.of),
        })
    };
    Entries::new(rows).map(row).collect()
}

fn form(of: &Zval) -> Form {
    let item = |parts: &ZendHashTable| Box::new(parts.get_index(1).map_or(Form::Plain, form));
    let Some(parts) = of.array() else { return Form::Plain };
    match parts.get_index(0).and_then(Zval::str) {
        Some("map") => Form::MapOf(item(parts)),
        Some("list") => match item(parts) {
            plain if matches!(*plain, Form::Plain) => Form::Plain,
            item => Form::ListOf(item),
        },
        _ => Form::Plain,
    }
}

pub struct Row<'a> {
    pub name: &'a str,
    pub property: Property,
    pub keys: Vec<String>,
    pub of: &'a Zval,
    pub is_optional: bool,
}

impl<'a> Row<'a> {
    /// Fails with `WrongType` if the row describes no property of the class.
    pub fn new(entry: &ClassEntry, name: Key<'a>, row: &'a Zval) -> Result<Row<'a>> {
        let parse = || {
            let Key::Text(name) = name else { return None };
            let name = std::str::from_utf8(name).ok()?;
            let row = row.array()?;
            let keys = Entries::new(row.get_index(0)?.array()?).map(|(_, key)| key.str().map(str::to_owned));
            Some(Row {
                name,
                property: zend::property(entry, name)?,
                keys: keys.collect::<Option<_>>()?,
                of: row.get_index(1)?,
                is_optional: row.get_index(2).and_then(Zval::bool).unwrap_or(false),
            })
        };
        parse().ok_or_else(|| wrong(entry, "a row of LINKSPAN_FIELDS that describes none of its properties"))
    }
}

#[cold]
pub fn wrong(entry: &ClassEntry, what: &str) -> Error {
    let name = entry.name().unwrap_or("?");
    let text =
        format!("the class {name} has {what}: write it again by `linkspan schema generate --lang php`");
    Error::new(ErrorKind::WrongType, text)
}
