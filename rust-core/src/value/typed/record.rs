//! What builders of records and unions have in common: which field the next event belongs to, and how fields go out.

use super::{Build, Event};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::value::{DType, NdArray, Order, Sink, Source, repeated_key};

/// Where the builder of a record stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields {
    place: Place,
    /// The fields that [`Fields::known_key`] has taken a key of, a bit each.
    came: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    /// Before the map.
    #[default]
    Before,
    /// Where a key or the end of the map comes; the field after the one that came last is looked at first.
    Between(usize),
    /// In the value of the field at this position.
    In(usize),
    /// In a value that nobody asked for, this deep, before the field at this position.
    Skipping(usize, usize),
    /// After the map.
    After,
}

/// What is to be done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It belongs to the field at this position.
    Into(usize),
    /// Nothing.
    Taken,
    /// Nothing: the map is complete.
    Complete,
}

impl Fields {
    /// Says where this event belongs. `keys` are those on the wire, the n-th one that of the n-th field; `aliases` are older ones, each
    /// with the position of its field. Keys that are not known are passed over with their values.
    #[inline]
    pub fn step(&mut self, event: &Event<'_>, keys: &[&str], aliases: &[(&str, usize)]) -> Result<Step> {
        match self.place {
            Place::In(at) => Ok(Step::Into(at)),
            Place::Between(next) => match event {
                Event::Key(key) => {
                    self.place = if keys.get(next).is_some_and(|expected| expected == key) {
                        Place::In(next)
                    } else {
                        find(key, keys, aliases).map_or(Place::Skipping(0, next), Place::In)
                    };
                    Ok(Step::Taken)
                }
                Event::EndMap => {
                    self.place = Place::After;
                    Ok(Step::Complete)
                }
                other => Err(other.unexpected("a key")),
            },
            Place::Before => match event {
                Event::BeginMap(_) => {
                    self.place = Place::Between(0);
                    Ok(Step::Taken)
                }
                other => Err(other.unexpected("a map")),
            },
            Place::Skipping(depth, next) => {
                let depth = match event {
                    Event::BeginArray(_) | Event::BeginMap(_) => depth + 1,
                    Event::EndArray | Event::EndMap => depth.saturating_sub(1),
                    _ => depth,
                };
                let inside = depth > 0 || matches!(event, Event::Key(_));
                self.place = if inside { Place::Skipping(depth, next) } else { Place::Between(next) };
                Ok(Step::Taken)
            }
            Place::After => Err(Error::new(ErrorKind::Internal, "an event came after the end of its map")),
        }
    }

    /// Where a key is looked at before it goes to [`Fields::step`]: `Into` the value of a field that is not complete, which may know
    /// the key; `Complete` where it was one of the first 64 of `keys`, and is taken; `Taken` where it has to go to `step`, once it is
    /// known not to be repeated. `Malformed` for a key of this record that came before.
    #[inline]
    pub fn known_key(&mut self, key: &[u8], keys: &[&str]) -> Result<Step> {
        match self.place {
            // In order nearly always, so the next field is looked at first.
            Place::Between(next) if next < 64 && keys.get(next).is_some_and(|name| is_same(name, key)) => {
                self.take(next, keys)
            }
            Place::Between(_) => match keys.iter().take(64).position(|name| name.as_bytes() == key) {
                Some(at) => self.take(at, keys),
                None => Ok(Step::Taken),
            },
            Place::In(at) => Ok(Step::Into(at)),
            _ => Ok(Step::Taken),
        }
    }

    /// Takes the key of one of the first 64 fields.
    #[inline]
    fn take(&mut self, at: usize, keys: &[&str]) -> Result<Step> {
        let bit = 1 << at;
        if self.came & bit != 0 {
            return Err(repeated_key(keys[at]));
        }
        self.came |= bit;
        self.place = Place::In(at);
        Ok(Step::Complete)
    }

    /// Notes that the value of the field that [`Step::Into`] named is complete, or not.
    #[inline]
    pub fn after(&mut self, complete: bool) {
        if let (Place::In(at), true) = (self.place, complete) {
            self.place = Place::Between(at + 1);
        }
    }

    /// Checks that the map is complete: `Missing` where none came.
    #[inline]
    pub fn finish(self) -> Result<()> {
        if let Place::After = self.place { Ok(()) } else { Err(super::missing()) }
    }
}

/// Whether a key is this name; for short ones without a call.
#[inline]
pub(crate) fn is_same(name: &str, key: &[u8]) -> bool {
    let name = name.as_bytes();
    if name.len() != key.len() {
        return false;
    }
    if name.len() > 16 {
        return name == key;
    }
    // The first and the last bytes overlap where there are fewer than both.
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

/// Sends a field: its key and its value. An error names the key.
#[inline]
pub fn field<S: Sink + ?Sized, T: Source + ?Sized>(sink: &mut S, key: &str, value: &T) -> Result<()> {
    sink.key(key).and_then(|()| value.walk(sink)).map_err(|error| error.under_key(key))
}

/// The value of a field. An error names the key.
#[inline]
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

/// The one variant that came. `WrongType` where none that is known came, or more than one.
pub fn finish_variant<T>(came: impl IntoIterator<Item = Option<T>>, keys: &[&str]) -> Result<T> {
    let mut came = came.into_iter().flatten();
    match (came.next(), came.next()) {
        (Some(variant), None) => Ok(variant),
        _ => {
            let text = format!("a map with exactly one of {} is expected", keys.join(", "));
            Err(Error::new(ErrorKind::WrongType, text))
        }
    }
}

/// Checks an array against what a schema says of it: the element type, the lengths of its dimensions, of which `None` allows any, and
/// the order. `WrongType`, with the field's key as path, says what is there instead.
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
