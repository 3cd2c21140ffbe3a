//! The plans that turn values into instances of generated classes.
//!
//! Each request makes them once, from the constants of the classes. Besides `LINKSPAN_FIELDS` (see `classes`), a union
//! has its classes in `LINKSPAN_VARIANTS`. The method `linkspanDefaults` returns the values of properties whose keys
//! may be missing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use ext_php_rs::convert::FromZval;
use ext_php_rs::flags::DataType;
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use ext_php_rs::zend::ClassEntry;
use linkspan::schema::Width;
use linkspan::value::plan::{Absent, Field, Record, Shape};
use linkspan::{DType, Error, ErrorKind, Order, Result};

use crate::call::call_php;
use crate::classes::{Class, ClassPlan, Numbers, Row, wrong};
use crate::zend::{self, Entries};

pub struct ClassName<'a>(&'a ZendStr);

impl<'a> FromZval<'a> for ClassName<'a> {
    const TYPE: DataType = DataType::String;

    fn from_zval(zval: &'a Zval) -> Option<Self> {
        zval.zend_str().map(ClassName)
    }
}

impl ClassName<'_> {
    /// PHP may have to load the class.
    pub fn entry(&self) -> Result<&'static ClassEntry> {
        let at = std::ptr::from_ref(self.0);
        if let Some((name, entry)) = NAMED.get()
            && name == at
        {
            return Ok(entry);
        }
        let entry = class(self.0.as_str().unwrap_or_default())?;
        // The text of `self::class` keeps its address until the request ends. Other text may be freed and its address
        // reused.
        if zend::is_interned(self.0) {
            NAMED.set(Some((at, entry)));
        }
        Ok(entry)
    }
}

/// The name of the last lookup, and its class.
type Named = (*const ZendStr, &'static ClassEntry);

thread_local! {
    static NAMED: Cell<Option<Named>> = const { Cell::new(None) };
    /// The plan of the last lookup, which is also in `PLANS`.
    static LAST: Cell<Option<(*const ClassEntry, *const ClassPlan)>> = const { Cell::new(None) };
    static PLANS: RefCell<HashMap<*const ClassEntry, Rc<ClassPlan>>> = RefCell::default();
}

pub fn forget() {
    NAMED.set(None);
    LAST.set(None);
    // Taken out of the cell first: dropping may destroy PHP objects.
    drop(PLANS.take());
}

/// Fails with `WrongType` if the class's constants are invalid.
pub fn plan(entry: &'static ClassEntry) -> Result<&'static ClassPlan> {
    let at = std::ptr::from_ref(entry);
    let known = match LAST.get() {
        Some((last, known)) if last == at => Some(known),
        _ => PLANS.with_borrow(|plans| plans.get(&at).map(Rc::as_ptr)),
    };
    let found = match known {
        Some(known) => known,
        None => {
            let mut maker = Maker::default();
            let shape = maker.class(entry)?;
            let made = Rc::new(ClassPlan { shape, classes: maker.classes, members: maker.members });
            // PHP code may have created and used this plan during the call: keep the existing plan.
            PLANS.with_borrow_mut(|plans| Rc::as_ptr(plans.entry(at).or_insert(made)))
        }
    };
    LAST.set(Some((at, found)));
    // SAFETY: a plan in the table stays there until the request ends, as classes do. It has no reference count, because
    // a fatal error would leak the count.
    Ok(unsafe { &*found })
}

/// PHP may have to load the class.
pub fn class(name: &str) -> Result<&'static ClassEntry> {
    call_php(|| ClassEntry::try_find(name))?
        .ok_or_else(|| Error::new(ErrorKind::WrongType, format!("there is no class {name}")))
}

#[derive(Default)]
struct Maker {
    classes: Vec<Class>,
    members: Vec<Zval>,
    /// The shapes of classes; `None` during the creation of a shape.
    known: HashMap<*const ClassEntry, Option<Arc<Shape<Numbers>>>>,
}

impl Maker {
    fn class(&mut self, entry: &'static ClassEntry) -> Result<Arc<Shape<Numbers>>> {
        match self.known.get(&std::ptr::from_ref(entry)) {
            Some(Some(known)) => return Ok(known.clone()),
            Some(None) => return Err(wrong(entry, "itself as the type of a property")),
            None => {}
        }
        self.known.insert(entry, None);
        let made = Arc::new(match zend::constant(entry, "LINKSPAN_FIELDS").and_then(Zval::array) {
            Some(rows) => Shape::Record(self.record(entry, rows)?),
            None => {
                let variants = zend::constant(entry, "LINKSPAN_VARIANTS").and_then(Zval::array);
                let variants =
                    variants.ok_or_else(|| wrong(entry, "neither LINKSPAN_FIELDS nor LINKSPAN_VARIANTS"))?;
                Shape::Union(self.variants(entry, variants)?)
            }
        });
        self.known.insert(entry, Some(made.clone()));
        Ok(made)
    }

    fn variants(&mut self, entry: &ClassEntry, names: &ZendHashTable) -> Result<Vec<Record<Numbers>>> {
        let variant = |(_, name): (_, &Zval)| {
            let variant = class(name.str().unwrap_or_default())?;
            let rows = zend::constant(variant, "LINKSPAN_FIELDS").and_then(Zval::array);
            let rows = rows.filter(|rows| rows.len() == 1);
            let rows = rows.ok_or_else(|| wrong(entry, "a variant that has not exactly one property"))?;
            self.record(variant, rows)
        };
        Entries::new(names).map(variant).collect()
    }

    fn record(&mut self, entry: &'static ClassEntry, rows: &ZendHashTable) -> Result<Record<Numbers>> {
        let defaults = call_php(|| zend::call_static(entry, "linkspandefaults"))?;
        let defaults = defaults.as_ref().and_then(Zval::array);
        let (mut fields, mut properties) = (Vec::new(), Vec::new());
        for (name, row) in Entries::new(rows) {
            let row = Row::new(entry, name, row)?;
            if row.keys.is_empty() {
                return Err(wrong(entry, "a property without a key"));
            }
            let default = defaults.and_then(|defaults| defaults.get(row.name)).map(Zval::shallow_clone);
            let absent = match default {
                _ if row.is_optional => Absent::Null,
                Some(_) => Absent::Default,
                None => Absent::Refused,
            };
            fields.push(Field { keys: row.keys, of: self.shape(entry, row.of)?, absent, handle: () });
            properties.push((row.property, default));
        }
        self.classes.push(Class { entry, properties });
        Ok(Record { class: self.classes.len() as u32 - 1, fields })
    }

    fn shape(&mut self, entry: &ClassEntry, of: &Zval) -> Result<Arc<Shape<Numbers>>> {
        let unknown = || wrong(entry, "a property of a type that is not known");
        if let Some(name) = of.str() {
            return named(name).map(Arc::new).ok_or_else(unknown);
        }
        let parts = of.array().ok_or_else(unknown)?;
        let text = |at| parts.get_index(at).and_then(Zval::str);
        Ok(Arc::new(match (text(0), parts.get_index(1)) {
            (Some("list"), Some(item)) => Shape::List(self.shape(entry, item)?),
            (Some("map"), Some(item)) => Shape::Map(self.shape(entry, item)?),
            (Some("class"), Some(name)) => return self.class(class(name.str().unwrap_or_default())?),
            (Some("enum"), Some(name)) => self.cases(class(name.str().unwrap_or_default())?, text(2))?,
            (Some("ndarray"), Some(dtype)) => {
                let dtype = dtype.str().and_then(DType::from_name).ok_or_else(unknown)?;
                let lengths = parts.get_index(2).and_then(Zval::array);
                let length =
                    |(_, length): (_, &Zval)| length.long().and_then(|length| length.try_into().ok());
                let shape = lengths.map(|lengths| Entries::new(lengths).map(length).collect());
                Shape::NdArray { dtype, shape, order: text(3).and_then(Order::from_name) }
            }
            _ => return Err(unknown()),
        }))
    }

    /// Returns the cases of a backed enum, by value.
    fn cases(&mut self, entry: &'static ClassEntry, default: Option<&str>) -> Result<Shape<Numbers>> {
        let mut members = HashMap::new();
        for case in cases(entry)? {
            let value = case.object().and_then(zend::enum_value).and_then(Zval::str);
            let value = value.ok_or_else(|| wrong(entry, "a case without a text as its value"))?;
            members.insert(value.to_owned(), self.members.len() as u32);
            self.members.push(case);
        }
        let default = default.and_then(|name| members.get(name).copied());
        Ok(Shape::Enum { members, default })
    }
}

/// Returns the cases of an enum, in order.
pub fn cases(entry: &'static ClassEntry) -> Result<Vec<Zval>> {
    let cases = match entry.ce_flags & ext_php_rs::ffi::ZEND_ACC_ENUM {
        0 => None,
        _ => call_php(|| zend::call_static(entry, "cases"))?,
    };
    let cases = cases.as_ref().and_then(Zval::array).ok_or_else(|| wrong(entry, "no cases"))?;
    Ok(Entries::new(cases).map(|(_, case)| case.shallow_clone()).collect())
}

fn named(name: &str) -> Option<Shape<Numbers>> {
    Some(match name {
        "any" => Shape::Any,
        "bool" => Shape::Bool,
        "f32" => Shape::F32,
        "f64" => Shape::F64,
        "text" => Shape::Text,
        "bytes" => Shape::Bytes,
        "timestamp" => Shape::Timestamp,
        "uuid" => Shape::Uuid,
        "decimal" => Shape::Decimal,
        name => {
            let width = Width::ALL.into_iter().find(|width| width.name() == name)?;
            Shape::Integer(width.bounds().0, width.bounds().1)
        }
    })
}
