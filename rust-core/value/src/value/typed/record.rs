//! The common part of builders of records and unions: the field of the next event, and sending.
//!
//! Keys usually come in the order of the schema, so each costs one comparison.

use super::{Build, Event};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::value::{DType, NdArray, Order, Sink, Source, repeated_key};

/// The next event's position in the map.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields {
    place: MapPosition,
    /// The fields taken by [`Fields::known_key`]; a `Meter` checks those from the 65th on.
    taken: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum MapPosition {
    #[default]
    Before,
    /// A key or the end is next; this field is the first candidate.
    Between(usize),
    /// In the value of the field at this position.
    In(usize),
    /// In an unknown key's value: its depth, and the candidate after it.
    Skipping(usize, usize),
    After,
}

/// The caller's action after [`Fields::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Pass it to this field's builder.
    Into(usize),
    /// Nothing: the event is taken.
    Taken,
    /// Nothing: the event is taken and the map is complete.
    Complete,
}

impl Fields {
    /// Returns the field of this event.
    ///
    /// `keys` are the fields' wire names, `aliases` older names with their field. Unknown keys are skipped.
    ///
    /// # Errors
    ///
    /// `WrongType` for a value that is not a map; `Internal` for an event after its end.
    pub fn step(&mut self, event: &Event<'_>, keys: &[&str], aliases: &[(&str, usize)]) -> Result<Step> {
        match self.place {
            MapPosition::In(at) => Ok(Step::Into(at)),
            MapPosition::Between(next) => match event {
                Event::Key(key) => {
                    self.place = if keys.get(next).is_some_and(|expected| expected == key) {
                        MapPosition::In(next)
                    } else {
                        find(key, keys, aliases).map_or(MapPosition::Skipping(0, next), MapPosition::In)
                    };
                    Ok(Step::Taken)
                }
                Event::EndMap => {
                    self.place = MapPosition::After;
                    Ok(Step::Complete)
                }
                other => Err(other.unexpected("a key")),
            },
            MapPosition::Before => match event {
                Event::BeginMap(_) => {
                    self.place = MapPosition::Between(0);
                    Ok(Step::Taken)
                }
                other => Err(other.unexpected("a map")),
            },
            MapPosition::Skipping(depth, next) => {
                let depth = match event {
                    Event::BeginArray(_) | Event::BeginMap(_) => depth + 1,
                    Event::EndArray | Event::EndMap => depth.saturating_sub(1),
                    _ => depth,
                };
                let inside = depth > 0 || matches!(event, Event::Key(_));
                self.place =
                    if inside { MapPosition::Skipping(depth, next) } else { MapPosition::Between(next) };
                Ok(Step::Taken)
            }
            MapPosition::After => {
                Err(Error::new(ErrorKind::Internal, "an event came after the end of its map"))
            }
        }
    }

    /// Compares a key with the record's before it goes to [`Fields::step`].
    ///
    /// - `Into`: a field is open; its builder may know the key.
    /// - `Complete`: the key is one of the first 64 of `keys` and is taken.
    /// - `Taken`: the key must go to `step`, after a check for repetition.
    ///
    /// # Errors
    ///
    /// `Malformed` for a repeated key of this record.
    pub fn known_key(&mut self, key: &[u8], keys: &[&str]) -> Result<Step> {
        match self.place {
            // Keys are nearly always in order, so the next field is compared first.
            MapPosition::Between(next)
                if next < 64 && keys.get(next).is_some_and(|name| is_same(name, key)) =>
            {
                self.take(next, keys)
            }
            MapPosition::Between(_) => match keys.iter().take(64).position(|name| name.as_bytes() == key) {
                Some(at) => self.take(at, keys),
                None => Ok(Step::Taken),
            },
            MapPosition::In(at) => Ok(Step::Into(at)),
            _ => Ok(Step::Taken),
        }
    }

    fn take(&mut self, at: usize, keys: &[&str]) -> Result<Step> {
        let bit = 1 << at;
        if self.taken & bit != 0 {
            return Err(repeated_key(keys[at]));
        }
        self.taken |= bit;
        self.place = MapPosition::In(at);
        Ok(Step::Complete)
    }

    /// Records whether the value of [`Step::Into`] is complete.
    pub fn after(&mut self, complete: bool) {
        if let (MapPosition::In(at), true) = (self.place, complete) {
            self.place = MapPosition::Between(at + 1);
        }
    }

    /// Checks that the map is complete: `Missing` without a map.
    pub fn finish(self) -> Result<()> {
        if let MapPosition::After = self.place { Ok(()) } else { Err(super::missing()) }
    }
}

/// Returns whether a key equals this name, without a call for up to 16 bytes.
pub(crate) fn is_same(name: &str, key: &[u8]) -> bool {
    let name = name.as_bytes();
    if name.len() != key.len() {
        return false;
    }
    if name.len() > 16 {
        return name == key;
    }
    // The first and the last chunk cover a name shorter than two chunks; they overlap in it.
    if let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        return key.first_chunk() == Some(first) && key.last_chunk() == Some(last);
    }
    if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        return key.first_chunk() == Some(first) && key.last_chunk() == Some(last);
    }
    name.iter().zip(key).all(|(a, b)| a == b)
}

fn find(key: &str, keys: &[&str], aliases: &[(&str, usize)]) -> Option<usize> {
    let by_name = keys.iter().position(|known| *known == key);
    by_name.or_else(|| aliases.iter().find(|(known, _)| *known == key).map(|(_, at)| *at))
}

/// Sends a field. An error has the key in its path.
#[inline]
pub fn field<S: Sink + ?Sized, T: Source + ?Sized>(sink: &mut S, key: &str, value: &T) -> Result<()> {
    sink.key(key).and_then(|()| value.walk(sink)).map_err(|error| error.under_key(key))
}

/// Returns a field's value. An error has the key in its path.
pub fn finish_field<B: Build>(builder: B, key: &str) -> Result<B::Output> {
    builder.finish().map_err(|error| unfinished(error, key))
}

#[cold]
fn unfinished(error: Error, key: &str) -> Error {
    if error.kind() == ErrorKind::Missing && error.path().is_none() {
        let text = format!("the field {} is missing", quoted(key));
        return Error::new(ErrorKind::Missing, text).under_key(key);
    }
    error.under_key(key)
}

/// Returns the received variant. `WrongType` without one, or for several.
pub fn finish_variant<T>(variants: impl IntoIterator<Item = Option<T>>, keys: &[&str]) -> Result<T> {
    let mut variants = variants.into_iter().flatten();
    match (variants.next(), variants.next()) {
        (Some(variant), None) => Ok(variant),
        _ => {
            let text = format!("a map with exactly one of {} is expected", keys.join(", "));
            Err(Error::new(ErrorKind::WrongType, text))
        }
    }
}

/// Compares an array with its schema: element type, lengths (`None` for any), order.
///
/// # Errors
///
/// `WrongType`, with the field's key as path, states the expected and the found type.
pub fn check_array(
    array: &NdArray,
    key: &str,
    dtype: DType,
    shape: Option<&[Option<u64>]>,
    order: Option<Order>,
) -> Result<()> {
    let fits = |lengths: &[Option<u64>]| {
        let mut pairs = lengths.iter().zip(&array.shape);
        lengths.len() == array.shape.len()
            && pairs.all(|(length, found)| length.is_none_or(|length| length == *found))
    };
    let ordered =
        order.is_none_or(|order| order.for_shape(&array.shape) == array.order.for_shape(&array.shape));
    if array.dtype == dtype && ordered && shape.is_none_or(fits) {
        return Ok(());
    }
    let lengths = shape.map_or("any shape".to_owned(), |lengths| {
        let lengths: Vec<_> =
            lengths.iter().map(|length| length.map_or("*".to_owned(), |length| length.to_string())).collect();
        format!("[{}]", lengths.join(", "))
    });
    let order = order.map_or(String::new(), |order| format!(" in {} order", order.name()));
    let text = format!(
        "an N-d array of {} {lengths}{order} is expected, one of {} {:?} in {} order was found",
        dtype.name(),
        array.dtype.name(),
        array.shape,
        array.order.name()
    );
    Err(Error::new(ErrorKind::WrongType, text).under_key(key))
}
