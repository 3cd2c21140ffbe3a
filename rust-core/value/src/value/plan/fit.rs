//! Compares the events of one value with a plan, and passes them on with their record and field.
//!
//! Values of type `Any` are passed on unchanged, and values under unknown keys are skipped.

use super::{Absent, Field, Handles, Record, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::value::typed::is_same;
use crate::value::{BigInt, Decimal, NdArrayRef, Order, Sink, Timestamp};

/// Receives the events of a value that fits a plan.
///
/// Values besides records and enums arrive by [`Sink`]. Numbers have the plan's type: an integer in a field of floats
/// arrives as a float.
pub trait Instances<'a, H: Handles>: Sink {
    /// An instance begins.
    ///
    /// Each field follows once, in the message's order, by [`Instances::field`] and its value. Absent fields follow by
    /// [`Instances::absent`].
    fn begin_record(&mut self, record: &'a Record<H>) -> Result<()>;
    /// The next value belongs to this field of the innermost record.
    fn field(&mut self, field: &'a Field<H>, at: usize) -> Result<()>;
    /// The message lacks this field; its absence means null or a default.
    fn absent(&mut self, field: &'a Field<H>, at: usize) -> Result<()>;
    /// The instance ends.
    fn end_record(&mut self, record: &'a Record<H>) -> Result<()>;
    /// A member of an enum.
    fn member(&mut self, member: &'a H::Member) -> Result<()>;
    /// A map of the plan begins; [`Sink::begin_map`] begins those in values of any type.
    fn begin_entries(&mut self, len: usize) -> Result<()> {
        self.begin_map(len)
    }
}

/// Passes on a value that fits; ends with `WrongType`, without a reason, at the first unfitting event.
#[derive(Debug)]
pub struct Fit<'a, H: Handles, T> {
    root: &'a Shape<H>,
    target: T,
    open: Vec<OpenPlan<'a, H>>,
    /// Whether each field of the open records is present; outermost record first.
    present: Vec<bool>,
    passing: Option<Passing>,
}

#[derive(Debug)]
enum OpenPlan<'a, H: Handles> {
    /// The start of its fields in `present`, the expected field, and the next value's field.
    Record { of: &'a Record<H>, from: usize, next: usize, at: Option<usize> },
    /// A list, and the type of its items.
    List(&'a Shape<H>),
    /// A map, and the type of its values.
    Map(&'a Shape<H>),
    /// The variants, and the one whose key was received.
    Union { of: &'a [Record<H>], chosen: Option<&'a Record<H>> },
}

#[derive(Clone, Copy, Debug)]
struct Passing {
    is_kept: bool,
    depth: usize,
}

enum Next<'a, H: Handles> {
    /// A value of this type.
    Of(&'a Shape<H>),
    /// A value of this type, or null.
    Optional(&'a Shape<H>),
    /// The value of an unknown key.
    Skipped,
}

#[cold]
pub(super) fn mismatch() -> Error {
    Error::new(ErrorKind::WrongType, "the value does not fit the plan of its class")
}

/// Returns an integer's equal float, if `bits` bits hold it.
pub(super) fn exact(value: i64, bits: u32) -> Result<f64> {
    if value.unsigned_abs() <= 1 << bits { Ok(value as f64) } else { Err(mismatch()) }
}

impl<'a, H: Handles, T: Instances<'a, H>> Fit<'a, H, T> {
    /// Returns a sink that compares a value with `root` and passes it on.
    pub fn new(root: &'a Shape<H>, target: T) -> Fit<'a, H, T> {
        Fit { root, target, open: Vec::new(), present: Vec::new(), passing: None }
    }

    /// Returns the target.
    pub fn into_inner(self) -> T {
        self.target
    }

    fn next(&self) -> Next<'a, H> {
        match self.open.last() {
            None => Next::Of(self.root),
            Some(OpenPlan::List(of) | OpenPlan::Map(of)) => Next::Of(of),
            Some(OpenPlan::Record { of, at: Some(at), .. }) => match &of.fields[*at] {
                field if field.absent == Absent::Null => Next::Optional(&field.of),
                field => Next::Of(&field.of),
            },
            Some(OpenPlan::Union { chosen: Some(chosen), .. }) => Next::Of(&chosen.fields[0].of),
            Some(OpenPlan::Record { at: None, .. } | OpenPlan::Union { chosen: None, .. }) => Next::Skipped,
        }
    }

    fn scalar(
        &mut self,
        fit: impl FnOnce(&'a Shape<H>, &mut T) -> Result<()>,
        pass: impl FnOnce(&mut T) -> Result<()>,
    ) -> Result<()> {
        match (self.passing, self.next()) {
            (Some(Passing { is_kept: true, .. }), _) => pass(&mut self.target),
            (Some(_), _) | (None, Next::Skipped) => Ok(()),
            (None, Next::Of(Shape::Any) | Next::Optional(Shape::Any)) => pass(&mut self.target),
            (None, Next::Of(of) | Next::Optional(of)) => fit(of, &mut self.target),
        }
    }

    fn same(
        &mut self,
        fits: impl FnOnce(&'a Shape<H>) -> bool,
        pass: impl Fn(&mut T) -> Result<()>,
    ) -> Result<()> {
        self.scalar(|of, target| if fits(of) { pass(target) } else { Err(mismatch()) }, &pass)
    }

    fn begin(
        &mut self,
        by_plan: impl FnOnce(&mut Self, &'a Shape<H>) -> Result<()>,
        pass: impl FnOnce(&mut T) -> Result<()>,
    ) -> Result<()> {
        let is_kept = match (self.passing, self.next()) {
            (Some(passing), _) => passing.is_kept,
            (None, Next::Skipped) => false,
            (None, Next::Of(Shape::Any) | Next::Optional(Shape::Any)) => true,
            (None, Next::Of(of) | Next::Optional(of)) => return by_plan(self, of),
        };
        self.passing = Some(Passing { is_kept, depth: self.passing.map_or(0, |passing| passing.depth) + 1 });
        if is_kept { pass(&mut self.target) } else { Ok(()) }
    }

    fn ends(&mut self, pass: impl FnOnce(&mut T) -> Result<()>) -> Result<bool> {
        let Some(Passing { is_kept, depth }) = self.passing else { return Ok(false) };
        self.passing = (depth > 1).then_some(Passing { is_kept, depth: depth - 1 });
        if is_kept {
            pass(&mut self.target)?;
        }
        Ok(true)
    }

    fn match_key(&mut self, key: &[u8]) -> Result<bool> {
        match self.open.last_mut() {
            Some(OpenPlan::Record { of, from, next, at }) => {
                // Most messages have their keys in the order of the schema.
                let is_next = of.fields.get(*next).is_some_and(|field| is_same(&field.keys[0], key));
                let found = if is_next {
                    Some(*next)
                } else {
                    let mut fields = of.fields.iter();
                    fields.position(|field| field.keys.iter().any(|name| is_same(name, key)))
                };
                *at = found;
                let Some(found) = found else { return Ok(false) };
                *next = found + 1;
                // The field was already present, under this key or an older one.
                if std::mem::replace(&mut self.present[*from + found], true) {
                    return Err(mismatch());
                }
                self.target.field(&of.fields[found], found)?;
                Ok(true)
            }
            Some(OpenPlan::Union { of, chosen: chosen @ None }) => {
                let found = of.iter().find(|variant| is_same(&variant.fields[0].keys[0], key));
                let found = found.ok_or_else(mismatch)?;
                *chosen = Some(found);
                self.target.begin_record(found)?;
                self.target.field(&found.fields[0], 0)?;
                Ok(true)
            }
            Some(OpenPlan::Union { .. }) => Err(mismatch()),
            _ => Ok(false),
        }
    }
}

impl<'a, H: Handles, T: Instances<'a, H>> Sink for Fit<'a, H, T> {
    fn null(&mut self) -> Result<()> {
        if let (None, Next::Optional(_)) = (self.passing, self.next()) {
            return self.target.null();
        }
        self.same(|_| false, |target| target.null())
    }
    fn bool(&mut self, value: bool) -> Result<()> {
        self.same(|of| matches!(of, Shape::Bool), |target| target.bool(value))
    }
    fn int(&mut self, value: i64) -> Result<()> {
        self.scalar(
            |of, target| match of {
                Shape::Integer(low, high) if (*low..=*high).contains(&value.into()) => target.int(value),
                Shape::F64 => target.float(exact(value, 53)?),
                Shape::F32 => target.float(exact(value, 24)?),
                _ => Err(mismatch()),
            },
            |target| target.int(value),
        )
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        self.same(
            |of| matches!(of, Shape::Integer(_, high) if i128::from(value) <= *high),
            |target| target.uint(value),
        )
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        self.same(|_| false, |target| target.big_int(value))
    }
    fn float(&mut self, value: f64) -> Result<()> {
        let fits_f32 = || !value.is_finite() || (value as f32).is_finite();
        self.same(
            |of| matches!(of, Shape::F64) || (matches!(of, Shape::F32) && fits_f32()),
            |target| target.float(value),
        )
    }
    fn text(&mut self, value: &str) -> Result<()> {
        self.scalar(
            |of, target| match of {
                Shape::Text => target.text(value),
                Shape::Enum { members, default } => {
                    target.member(members.get(value).or(default.as_ref()).ok_or_else(mismatch)?)
                }
                _ => Err(mismatch()),
            },
            |target| target.text(value),
        )
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.same(|of| matches!(of, Shape::Bytes), |target| target.bytes(value))
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        self.same(|of| matches!(of, Shape::Timestamp), |target| target.timestamp(value))
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.same(|of| matches!(of, Shape::Uuid), |target| target.uuid(value))
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        self.same(|of| matches!(of, Shape::Decimal), |target| target.decimal(value))
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        self.same(|of| fits_array(of, &value), |target| target.ndarray(value))
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.begin(
            |this, of| {
                let Shape::List(of) = of else { return Err(mismatch()) };
                this.open.push(OpenPlan::List(of));
                this.target.begin_array(len)
            },
            |target| target.begin_array(len),
        )
    }
    fn end_array(&mut self) -> Result<()> {
        if self.ends(|target| target.end_array())? {
            return Ok(());
        }
        self.open.pop();
        self.target.end_array()
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.begin(
            |this, of| match of {
                Shape::Record(of) => {
                    let from = this.present.len();
                    this.present.resize(from + of.fields.len(), false);
                    this.open.push(OpenPlan::Record { of, from, next: 0, at: None });
                    this.target.begin_record(of)
                }
                Shape::Map(of) => {
                    this.open.push(OpenPlan::Map(of));
                    this.target.begin_entries(len)
                }
                Shape::Union(of) => {
                    this.open.push(OpenPlan::Union { of, chosen: None });
                    Ok(())
                }
                _ => Err(mismatch()),
            },
            |target| target.begin_map(len),
        )
    }
    fn key(&mut self, key: &str) -> Result<()> {
        match (self.passing, self.open.last()) {
            (Some(Passing { is_kept: true, .. }), _) | (None, Some(OpenPlan::Map(_))) => self.target.key(key),
            (Some(_), _) => Ok(()),
            (None, _) => self.match_key(key.as_bytes()).map(|_| ()),
        }
    }
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        if self.passing.is_some() { Ok(false) } else { self.match_key(key) }
    }
    fn end_map(&mut self) -> Result<()> {
        if self.ends(|target| target.end_map())? {
            return Ok(());
        }
        match self.open.pop() {
            Some(OpenPlan::Record { of, from, .. }) => {
                for (at, field) in of.fields.iter().enumerate() {
                    match field.absent {
                        _ if self.present[from + at] => {}
                        Absent::Refused => return Err(mismatch()),
                        Absent::Null | Absent::Default => self.target.absent(field, at)?,
                    }
                }
                self.present.truncate(from);
                self.target.end_record(of)
            }
            Some(OpenPlan::Union { chosen, .. }) => self.target.end_record(chosen.ok_or_else(mismatch)?),
            _ => self.target.end_map(),
        }
    }
}

/// An array of one dimension has row order, so it never fits column order; generated readers accept it.
fn fits_array<H: Handles>(of: &Shape<H>, value: &NdArrayRef<'_>) -> bool {
    let Shape::NdArray { dtype, shape, order } = of else { return false };
    let is_shaped = |shape: &Vec<Option<u64>>| {
        let mut pairs = shape.iter().zip(value.shape);
        shape.len() == value.shape.len() && pairs.all(|(want, found)| want.is_none_or(|want| want == *found))
    };
    let is_ordered = |order: Order| order == value.order;
    *dtype == value.dtype && shape.as_ref().is_none_or(is_shaped) && order.is_none_or(is_ordered)
}
