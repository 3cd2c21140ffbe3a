//! Widens a schema until it accepts the messages. The new version reads everything that the old one did.

use linkspan::codec::Unread;
use linkspan::schema::{Field, Kind, Length, Range, Schema, Side, Type, Width};
use linkspan::value::Source as _;
use linkspan::{Error, Value};

use super::comments::Comments;
use super::evidence::{Arrays, Evidence, Maps};
use super::propose::{Proposal, below, each, messages, of};

const EXACT_F32: i128 = 1 << 24;
const EXACT_F64: i128 = 1 << 53;

/// A schema being widened for messages.
#[derive(Clone, Debug)]
pub struct Widening {
    old: Schema,
    schema: Schema,
    seen: u64,
}

impl Widening {
    /// Begins with this schema.
    pub fn new(schema: Schema) -> Widening {
        Widening { old: schema.clone(), schema, seen: 0 }
    }

    /// Makes the schema accept this message.
    pub fn add(&mut self, value: &Value) {
        self.seen += 1;
        let Some(_) = self.refuses(value) else { return };
        // A packed record accepts only bytes of one form, so a wider type is a map of fields.
        self.schema.packed = false;
        self.schema.root = widen(&self.schema.root, &Evidence::of(value));
        // A value's statistics do not show how the values in a message depend on each other.
        while let Some(error) = self.refuses(value) {
            let changed = if error.text().contains("already in this message") {
                replace(&mut self.schema.root, &named_lengths)
            } else {
                replace(&mut self.schema.root, &tables)
            };
            if !changed {
                self.schema.root = Type::plain(Kind::Any);
            }
        }
    }

    /// Returns why the schema refuses the message. Accepts an older name of a field, as readers do.
    fn refuses(&self, value: &Value) -> Option<Error> {
        let error = self.schema.check(value).err()?;
        if error.text().contains(" is the old name of ") {
            return value.walk(&mut self.schema.checker(Side::Reader, Unread)).err();
        }
        Some(error)
    }

    /// Returns the schema that accepts all messages, and everything that the old one did.
    pub fn finish(self) -> Proposal {
        let mut comments = Comments::default();
        comments.add("", format!("widened from {}", messages(self.seen)));
        changes(&self.old.root, &self.schema.root, "", &mut comments);
        let doubts = comments.0.len() - 1;
        Proposal {
            text: comments.written(&self.schema),
            schema: self.schema,
            doubts,
            empty_lists: Vec::new(),
        }
    }
}

/// Returns the narrowest type that reads all values of both.
fn widen(old: &Type, seen: &Evidence) -> Type {
    let any = || Type::plain(Kind::Any);
    if old.kind == Kind::Any || seen.kinds() == 0 {
        return old.clone();
    }
    if seen.kinds() > 1 || seen.others > 0 {
        return any();
    }
    let mut new = old.clone();
    let kind = match &old.kind {
        Kind::Integer(_) | Kind::F32 | Kind::F64 if seen.integers.is_some() || seen.floats.is_some() => {
            return number(old, seen).unwrap_or_else(any);
        }
        Kind::Text(most) => seen.texts.as_ref().map(|all| Kind::Text(most.map(|most| most.max(all.longest)))),
        Kind::Bytes(most) => {
            seen.bytes.as_ref().map(|all| Kind::Bytes(most.map(|most| most.max(all.greatest))))
        }
        Kind::Enum(values) => seen.texts.as_ref().and_then(|all| all.values.as_ref()).map(|more| {
            let new = more.iter().filter(|value| !values.contains(value));
            Kind::Enum(values.iter().chain(new).cloned().collect())
        }),
        Kind::List(of, most) => seen.lists.as_ref().map(|all| {
            let most = most.map(|most| most.max(all.longest));
            Kind::List(Box::new(widen_each(of, &all.of)), most)
        }),
        Kind::Map(of) => seen.maps.as_ref().map(|all| Kind::Map(Box::new(widen_each(of, &all.values())))),
        Kind::Record(fields) => seen.maps.as_ref().and_then(|all| record(fields, all)),
        Kind::Union(variants) => seen.maps.as_ref().and_then(|all| union(variants, all)),
        Kind::Table(columns) => seen.maps.as_ref().and_then(|all| table(columns, all)),
        Kind::NdArray { .. } => seen.arrays.as_ref().and_then(|all| array(&old.kind, all)),
        Kind::Bool if seen.bools > 0 => Some(Kind::Bool),
        Kind::Timestamp if seen.timestamps > 0 => Some(Kind::Timestamp),
        Kind::Uuid if seen.uuids > 0 => Some(Kind::Uuid),
        Kind::Decimal if seen.decimals > 0 => Some(Kind::Decimal),
        _ => None,
    };
    match kind {
        Some(kind) => {
            new.kind = kind;
            new
        }
        None => any(),
    }
}

/// Returns the type of a list's or map's values, which cannot be null.
fn widen_each(old: &Type, seen: &Evidence) -> Type {
    if seen.nulls > 0 { Type::plain(Kind::Any) } else { widen(old, seen) }
}

fn number(old: &Type, seen: &Evidence) -> Option<Type> {
    let mut new = old.clone();
    let (integers, floats) = (seen.integers.as_ref(), seen.floats.as_ref());
    let within = |exact: i128| integers.is_none_or(|all| -exact <= all.least && all.greatest <= exact);
    if let (Kind::Integer(width), None, Some(all)) = (&old.kind, floats, integers) {
        if let Some(Range::Integer(low, high)) = old.range {
            new.range = Some(Range::Integer(low.min(all.least), high.max(all.greatest)));
        }
        new.kind = Kind::Integer(wider(*width, all.least, all.greatest)?);
        return Some(new);
    }
    let fits_f32 = |end: f64| !end.is_finite() || (end as f32).is_finite();
    new.kind = match &old.kind {
        Kind::F32
            if within(EXACT_F32)
                && floats.is_none_or(|all| fits_f32(all.least) && fits_f32(all.greatest)) =>
        {
            Kind::F32
        }
        Kind::Integer(Width::I64 | Width::U64) => return None,
        _ if within(EXACT_F64) => Kind::F64,
        _ => return None,
    };
    let range = match old.range {
        Some(Range::Integer(low, high)) => Some((low as f64, high as f64)),
        Some(Range::Float(low, high)) => Some((low, high)),
        _ => None,
    };
    new.range = range.filter(|_| floats.is_none_or(|all| all.nans == 0)).map(|(mut low, mut high)| {
        for (least, greatest) in [
            integers.map(|all| (all.least as f64, all.greatest as f64)),
            floats.map(|all| (all.least, all.greatest)),
        ]
        .into_iter()
        .flatten()
        {
            (low, high) = (low.min(least), high.max(greatest));
        }
        Range::Float(low, high)
    });
    Some(new)
}

/// Returns the narrowest width that contains this one and both ends; a signed width stays signed.
fn wider(width: Width, least: i128, greatest: i128) -> Option<Width> {
    let (low, high) = width.bounds();
    let (low, high) = (low.min(least), high.max(greatest));
    let holds = |width: &Width| width.bounds().0 <= low && high <= width.bounds().1;
    Width::ALL.into_iter().filter(holds).min_by_key(|other| {
        let (least, greatest) = other.bounds();
        (greatest - least, (least < 0) != (width.bounds().0 < 0))
    })
}

fn record(old: &[Field], seen: &Maps) -> Option<Kind> {
    if seen.rest.seen > 0 {
        return None;
    }
    let mut fields = Vec::with_capacity(old.len());
    let names = |field: &Field, key: &String| field.name == *key || field.aliases.contains(key);
    for field in old {
        let mut field = field.clone();
        let mut all = Evidence::default();
        seen.fields.iter().filter(|(key, _)| names(&field, key)).for_each(|(_, more)| all.join(more));
        let may_be_absent = field.optional || field.default.is_some();
        if (all.seen < seen.count && !may_be_absent) || all.nulls > 0 {
            (field.optional, field.default) = (true, None);
        }
        field.of = widen(&field.of, &all);
        match (&field.of.kind, &field.default) {
            (Kind::Any, Some(_)) => (field.optional, field.default) = (true, None),
            (Kind::F64 | Kind::F32, Some(Value::Int(number))) => {
                field.default = Some((*number as f64).into())
            }
            _ => {}
        }
        fields.push(field);
    }
    for (key, more) in &seen.fields {
        if old.iter().all(|field| !names(field, key)) {
            // Programs with the old schema did not send it.
            let mut field = Field::new(key, of(more, "", &mut Comments::default()));
            field.optional = true;
            fields.push(field);
        }
    }
    Some(Kind::Record(fields))
}

fn union(old: &[Field], seen: &Maps) -> Option<Kind> {
    if seen.rest.seen > 0 || (seen.least, seen.most) != (1, 1) {
        return None;
    }
    let mut variants = old.to_vec();
    for (key, more) in &seen.fields {
        match variants.iter_mut().find(|variant| variant.name == *key) {
            Some(variant) => variant.of = widen_each(&variant.of, more),
            None => variants.push(Field::new(key, each(more, "", &mut Comments::default()))),
        }
    }
    Some(Kind::Union(variants))
}

fn table(old: &[Field], seen: &Maps) -> Option<Kind> {
    let mut columns = old.to_vec();
    let is_whole = (seen.least, seen.most) == (columns.len(), columns.len());
    for column in &mut columns {
        let (_, more) = seen.fields.iter().find(|(key, _)| *key == column.name)?;
        column.of = widen_each(&column.of, more);
        let is_column = match &column.of.kind {
            Kind::List(..) => true,
            Kind::NdArray { shape, .. } => shape.as_ref().is_some_and(|shape| shape.len() == 1),
            _ => false,
        };
        if !is_column {
            return None;
        }
    }
    is_whole.then_some(Kind::Table(columns))
}

fn array(old: &Kind, seen: &Arrays) -> Option<Kind> {
    let Kind::NdArray { dtype, shape, order } = old else { return None };
    if seen.dtypes != [*dtype] {
        return None;
    }
    let shape = match (shape, &seen.shape) {
        (Some(old), Some(seen)) if old.len() == seen.len() => {
            let lengths = old.iter().zip(seen).map(|(old, seen)| match (old, seen) {
                (Length::Fixed(length), Some(found)) if length != found => Length::Any,
                (Length::Fixed(_), None) => Length::Any,
                (old, _) => old.clone(),
            });
            Some(lengths.collect())
        }
        _ => None,
    };
    // Arrays with equal bytes in both orders are reported as row order, and fit both.
    let order = order.filter(|order| seen.orders.iter().all(|found| found == order));
    Some(Kind::NdArray { dtype: *dtype, shape, order })
}

/// Applies `change` to each part of a type; returns whether any changed.
fn replace(of: &mut Type, change: &dyn Fn(&mut Type) -> bool) -> bool {
    let mut changed = change(of);
    match &mut of.kind {
        Kind::List(of, _) | Kind::Map(of) => changed |= replace(of, change),
        Kind::Record(fields) | Kind::Union(fields) | Kind::Table(fields) => {
            fields.iter_mut().for_each(|field| changed |= replace(&mut field.of, change));
        }
        _ => {}
    }
    changed
}

fn named_lengths(of: &mut Type) -> bool {
    let Kind::NdArray { shape: Some(shape), .. } = &mut of.kind else { return false };
    let named = shape.iter_mut().filter(|length| matches!(length, Length::Named(_)));
    named.map(|length| *length = Length::Any).count() > 0
}

fn tables(of: &mut Type) -> bool {
    let is_table = matches!(of.kind, Kind::Table(_));
    if is_table {
        of.kind = Kind::Any;
    }
    is_table
}

/// Adds comments on changes. `path` is the header of the type's table.
fn changes(old: &Type, new: &Type, path: &str, comments: &mut Comments) {
    let (key, before, after) = match (&old.kind, &new.kind) {
        (Kind::Record(before), Kind::Record(after)) => ("fields", before, after),
        (Kind::Union(before), Kind::Union(after)) => ("variants", before, after),
        (Kind::Table(before), Kind::Table(after)) => ("columns", before, after),
        (Kind::List(before, a), Kind::List(after, b)) if a == b => {
            return changes(before, after, &below(path, "of"), comments);
        }
        (Kind::Map(before), Kind::Map(after)) => return changes(before, after, &below(path, "of"), comments),
        _ => {
            if old.to_string() != new.to_string() {
                comments.add(path, format!("widened: it was {old}"));
            }
            return;
        }
    };
    for field in after {
        let path = below(path, &format!("{key}.{}", field.name));
        let Some(other) = before.iter().find(|other| other.name == field.name) else {
            comments.add(&path, "new: the old schema has no such field");
            continue;
        };
        if field.optional && !other.optional {
            comments.add(&path, "widened: it was not optional");
        }
        changes(&other.of, &field.of, &path, comments);
    }
}
