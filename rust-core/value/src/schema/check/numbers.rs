//! Checks numbers against widths and ranges.
//!
//! A float accepts an integer that it holds exactly: up to 2^53 for f64, 2^24 for f32.

use super::Checker;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::model::{Kind, Range, Type};
use crate::value::Sink;

impl<S: Sink> Checker<'_, S> {
    /// Checks an integer.
    ///
    /// # Errors
    ///
    /// `OutOfRange` outside the width or range, `WrongType` if another type is expected.
    #[inline]
    pub(super) fn integer(&self, value: i128) -> Result<()> {
        let Some(of) = self.expected else { return Ok(()) };
        let fits = match &of.kind {
            Kind::Any => true,
            Kind::Integer(width) => {
                let (least, greatest) = width.bounds();
                (least..=greatest).contains(&value)
            }
            Kind::F64 => value.unsigned_abs() <= 1 << 53,
            Kind::F32 => value.unsigned_abs() <= 1 << 24,
            _ => return Err(self.wrong(of, "an integer")),
        };
        let in_range = match of.range {
            None => true,
            Some(Range::Integer(low, high)) => (low..=high).contains(&value),
            Some(Range::Float(low, high)) => (low..=high).contains(&(value as f64)),
        };
        if fits && in_range { Ok(()) } else { Err(self.out_of_range(of, &value.to_string())) }
    }

    /// Checks a float.
    ///
    /// A float that overflows to infinity in 32 bits does not fit f32. Infinities and NaN fit if no
    /// range excludes them.
    ///
    /// # Errors
    ///
    /// As [`Self::integer`].
    pub(super) fn real(&self, value: f64) -> Result<()> {
        let Some(of) = self.expected else { return Ok(()) };
        let fits = match of.kind {
            Kind::Any | Kind::F64 => true,
            Kind::F32 => !value.is_finite() || (value as f32).is_finite(),
            _ => return Err(self.wrong(of, "a float")),
        };
        let in_range = match of.range {
            Some(Range::Float(low, high)) => (low..=high).contains(&value),
            _ => true,
        };
        if fits && in_range { Ok(()) } else { Err(self.out_of_range(of, &format!("{value:?}"))) }
    }

    #[cold]
    fn out_of_range(&self, of: &Type, found: &str) -> Error {
        self.error(ErrorKind::OutOfRange, format!("{of} is expected, {found} was found"))
    }
}
