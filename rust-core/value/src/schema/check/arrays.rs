//! N-d arrays: element type, order, shape and named lengths.

use super::Checker;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::model::{Kind, Length, Type};
use crate::value::{NdArrayRef, Sink};

impl<S: Sink> Checker<'_, S> {
    pub(super) fn array(&mut self, value: &NdArrayRef<'_>) -> Result<()> {
        let Some(of) = self.expected else { return Ok(()) };
        let Kind::NdArray { dtype, shape, order } = &of.kind else {
            return if of.kind == Kind::Any { Ok(()) } else { Err(self.wrong(of, "an N-d array")) };
        };
        // If both orders give equal memory, `for_shape` makes them equal.
        let one_order =
            order.is_none_or(|order| order.for_shape(value.shape) == value.order.for_shape(value.shape));
        let lengths = shape.as_deref();
        let fits =
            value.dtype == *dtype && one_order && lengths.is_none_or(|all| all.len() == value.shape.len());
        if !fits {
            return Err(self.array_is_wrong(of, value));
        }
        for (length, found) in lengths.unwrap_or_default().iter().zip(value.shape) {
            // A named length takes its value from the first array that has it.
            let fits = match length {
                Length::Any => true,
                Length::Fixed(length) => length == found,
                Length::Named(name) => match self.lengths.iter().find(|(known, _)| known == name) {
                    Some((_, known)) if known == found => true,
                    Some((_, known)) => {
                        let text = format!(
                            "{of} is expected, and {name} is {known} already in this message; the shape {:?} was found",
                            value.shape
                        );
                        return Err(self.error(ErrorKind::WrongType, text));
                    }
                    None => {
                        self.lengths.push((name, *found));
                        true
                    }
                },
            };
            if !fits {
                return Err(self.array_is_wrong(of, value));
            }
        }
        self.column(value.shape.first().copied().unwrap_or(0))
    }

    #[cold]
    fn array_is_wrong(&self, of: &Type, value: &NdArrayRef<'_>) -> Error {
        let found = format!(
            "an N-d array of {} {:?} in {} order",
            value.dtype.name(),
            value.shape,
            value.order.name()
        );
        self.wrong(of, &found)
    }
}
