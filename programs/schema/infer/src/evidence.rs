//! Statistics of a value in many messages: its kinds, their counts, the range of its numbers.

use linkspan::schema::{Field, Schema};
use linkspan::{DType, Map, NdArray, Order, Value};

/// The most stored texts of one field; a field with more is not an enum.
const MAX_TEXTS: usize = 12;
/// The most stored map keys in all; further keys count as keys of an open map.
const MAX_FIELDS: usize = 2048;
/// A map with more keys is not a record.
const MAX_KEYS: usize = 256;

/// The statistics of one value: a message, or a field in it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Evidence {
    /// How often a value was present, including null.
    pub seen: u64,
    pub(super) nulls: u64,
    pub(super) bools: u64,
    pub(super) integers: Option<Span<i128>>,
    pub(super) floats: Option<Span<f64>>,
    pub(super) texts: Option<Texts>,
    pub(super) bytes: Option<Span<u64>>,
    pub(super) timestamps: u64,
    pub(super) uuids: u64,
    pub(super) decimals: u64,
    /// Integers beyond 64 bits, and values nested too deeply for a schema.
    pub(super) others: u64,
    pub(super) lists: Option<Lists>,
    pub(super) maps: Option<Maps>,
    pub(super) arrays: Option<Arrays>,
}

#[derive(Clone, Debug)]
pub(super) struct Span<T> {
    pub(super) count: u64,
    pub(super) least: T,
    pub(super) greatest: T,
    /// The count of NaN, which no range contains.
    pub(super) nans: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Texts {
    pub(super) count: u64,
    /// The longest, in bytes.
    pub(super) longest: u64,
    /// The different texts in order of first occurrence; `None` if there are too many.
    pub(super) values: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
pub(super) struct Lists {
    pub(super) count: u64,
    pub(super) longest: u64,
    pub(super) of: Box<Evidence>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Maps {
    pub(super) count: u64,
    pub(super) least: usize,
    pub(super) most: usize,
    /// The statistics of each key, in order of first occurrence.
    pub(super) fields: Vec<(String, Evidence)>,
    /// The statistics of keys that cannot be fields, and of keys above the limit.
    pub(super) rest: Box<Evidence>,
}

#[derive(Clone, Debug)]
pub(super) struct Arrays {
    pub(super) count: u64,
    pub(super) dtypes: Vec<DType>,
    pub(super) orders: Vec<Order>,
    /// The lengths, `None` for a varying one; `None` if the number of dimensions varies.
    pub(super) shape: Option<Vec<Option<u64>>>,
}

impl Evidence {
    /// Returns the statistics of one message.
    pub fn of(value: &Value) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.add(value);
        evidence
    }

    /// Adds a message.
    pub fn add(&mut self, value: &Value) {
        let mut left = MAX_FIELDS.saturating_sub(self.fields_in_all());
        self.add_within(value, Schema::MAX_DEPTH - 1, &mut left);
    }

    fn fields_in_all(&self) -> usize {
        let maps = self.maps.as_ref().map_or(0, |maps| {
            maps.fields.len()
                + maps.fields.iter().map(|(_, field)| field.fields_in_all()).sum::<usize>()
                + maps.rest.fields_in_all()
        });
        maps + self.lists.as_ref().map_or(0, |lists| lists.of.fields_in_all())
    }

    fn add_within(&mut self, value: &Value, depth: usize, left: &mut usize) {
        self.seen += 1;
        let Some(below) = depth.checked_sub(1) else {
            self.others += 1;
            return;
        };
        match value {
            Value::Null => self.nulls += 1,
            Value::Bool(_) => self.bools += 1,
            Value::Int(number) => span(&mut self.integers, i128::from(*number)),
            Value::Uint(number) => span(&mut self.integers, i128::from(*number)),
            Value::Float(number) => float(&mut self.floats, *number),
            Value::Text(text) => self.add_text(text),
            Value::Bytes(bytes) => span(&mut self.bytes, bytes.len() as u64),
            Value::Timestamp(_) => self.timestamps += 1,
            Value::Uuid(_) => self.uuids += 1,
            Value::Decimal(_) => self.decimals += 1,
            Value::NdArray(array) => self.add_array(array),
            Value::Array(items) => {
                let lists =
                    self.lists.get_or_insert_with(|| Lists { count: 0, longest: 0, of: Box::default() });
                lists.count += 1;
                lists.longest = lists.longest.max(items.len() as u64);
                items.iter().for_each(|item| lists.of.add_within(item, below, left));
            }
            Value::Map(map) => self.maps.get_or_insert_with(Maps::default).add(map, below, left),
            _ => self.others += 1,
        }
    }

    fn add_text(&mut self, text: &str) {
        let texts =
            self.texts.get_or_insert_with(|| Texts { count: 0, longest: 0, values: Some(Vec::new()) });
        texts.count += 1;
        texts.longest = texts.longest.max(text.len() as u64);
        if let Some(values) = &mut texts.values
            && values.iter().all(|value| value != text)
        {
            if values.len() == MAX_TEXTS || !Field::is_name(text) {
                texts.values = None;
            } else {
                values.push(text.to_owned());
            }
        }
    }

    fn add_array(&mut self, array: &NdArray) {
        let array = array.as_ref();
        let shape = || array.shape.iter().copied().map(Some).collect();
        let arrays = self.arrays.get_or_insert_with(|| Arrays {
            count: 0,
            dtypes: Vec::new(),
            orders: Vec::new(),
            shape: Some(shape()),
        });
        arrays.count += 1;
        if !arrays.dtypes.contains(&array.dtype) {
            arrays.dtypes.push(array.dtype);
        }
        if !arrays.orders.contains(&array.order) {
            arrays.orders.push(array.order);
        }
        match &mut arrays.shape {
            Some(known) if known.len() == array.shape.len() => {
                for (known, found) in known.iter_mut().zip(array.shape) {
                    *known = known.filter(|length| length == found);
                }
            }
            known => *known = None,
        }
    }

    /// Returns the number of kinds except null; integers and floats count as one.
    pub(super) fn kinds(&self) -> usize {
        [
            self.bools > 0,
            self.integers.is_some() || self.floats.is_some(),
            self.texts.is_some(),
            self.bytes.is_some(),
            self.timestamps > 0,
            self.uuids > 0,
            self.decimals > 0,
            self.others > 0,
            self.lists.is_some(),
            self.maps.is_some(),
            self.arrays.is_some(),
        ]
        .into_iter()
        .filter(|there| *there)
        .count()
    }

    /// Returns the kinds with their counts, in words.
    pub(super) fn in_words(&self) -> String {
        let counts = [
            (self.nulls, "null"),
            (self.bools, "bool"),
            (self.integers.as_ref().map_or(0, |all| all.count), "integer"),
            (self.floats.as_ref().map_or(0, |all| all.count), "float"),
            (self.texts.as_ref().map_or(0, |all| all.count), "text"),
            (self.bytes.as_ref().map_or(0, |all| all.count), "bytes"),
            (self.timestamps, "timestamp"),
            (self.uuids, "uuid"),
            (self.decimals, "decimal"),
            (self.others, "integer beyond 64 bits, or deeper than 24 levels"),
            (self.lists.as_ref().map_or(0, |all| all.count), "list"),
            (self.maps.as_ref().map_or(0, |all| all.count), "map"),
            (self.arrays.as_ref().map_or(0, |all| all.count), "ndarray"),
        ];
        let there = counts.iter().filter(|(count, _)| *count > 0);
        there.map(|(count, name)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    }
}

impl Maps {
    fn add(&mut self, map: &Map, depth: usize, left: &mut usize) {
        self.least = if self.count == 0 { map.len() } else { self.least.min(map.len()) };
        self.most = self.most.max(map.len());
        self.count += 1;
        for (at, (key, value)) in map.iter().enumerate() {
            // Messages nearly always have equal fields in equal order.
            let place = match self.fields.get(at) {
                Some((known, _)) if known == key => Some(at),
                _ => self.fields.iter().position(|(known, _)| known == key),
            };
            let evidence = match place {
                Some(place) => &mut self.fields[place].1,
                None if *left > 0 && self.fields.len() < MAX_KEYS && Field::is_name(key) => {
                    *left -= 1;
                    self.fields.push((key.clone(), Evidence::default()));
                    match self.fields.last_mut() {
                        Some((_, evidence)) => evidence,
                        None => &mut self.rest,
                    }
                }
                None => &mut self.rest,
            };
            evidence.add_within(value, depth, left);
        }
    }

    pub(super) fn values(&self) -> Evidence {
        let mut all = (*self.rest).clone();
        for (_, evidence) in &self.fields {
            all.join(evidence);
        }
        all
    }
}

impl Evidence {
    /// Adds the statistics of another value.
    pub(super) fn join(&mut self, other: &Evidence) {
        self.seen += other.seen;
        self.nulls += other.nulls;
        self.bools += other.bools;
        self.timestamps += other.timestamps;
        self.uuids += other.uuids;
        self.decimals += other.decimals;
        self.others += other.others;
        join(&mut self.integers, &other.integers, Span::join);
        join(&mut self.floats, &other.floats, Span::join);
        join(&mut self.bytes, &other.bytes, Span::join);
        join(&mut self.texts, &other.texts, Texts::join);
        join(&mut self.lists, &other.lists, |all, more| {
            all.count += more.count;
            all.longest = all.longest.max(more.longest);
            all.of.join(&more.of);
        });
        join(&mut self.maps, &other.maps, Maps::join);
        join(&mut self.arrays, &other.arrays, Arrays::join);
    }
}

fn join<T: Clone>(all: &mut Option<T>, more: &Option<T>, joined: impl FnOnce(&mut T, &T)) {
    match (all.as_mut(), more) {
        (Some(all), Some(more)) => joined(all, more),
        (None, more) => *all = more.clone(),
        (_, None) => {}
    }
}

impl<T: PartialOrd + Copy> Span<T> {
    fn join(&mut self, more: &Span<T>) {
        self.count += more.count;
        self.nans += more.nans;
        if more.least < self.least {
            self.least = more.least;
        }
        if more.greatest > self.greatest {
            self.greatest = more.greatest;
        }
    }
}

impl Texts {
    fn join(&mut self, more: &Texts) {
        self.count += more.count;
        self.longest = self.longest.max(more.longest);
        self.values = match (self.values.take(), &more.values) {
            (Some(mut all), Some(more)) => {
                all.extend(more.iter().filter(|value| !all.contains(value)).cloned().collect::<Vec<_>>());
                (all.len() <= MAX_TEXTS).then_some(all)
            }
            _ => None,
        };
    }
}

impl Maps {
    fn join(&mut self, more: &Maps) {
        self.least = self.least.min(more.least);
        self.most = self.most.max(more.most);
        self.count += more.count;
        self.rest.join(&more.rest);
        for (key, evidence) in &more.fields {
            match self.fields.iter_mut().find(|(known, _)| known == key) {
                Some((_, known)) => known.join(evidence),
                None => self.fields.push((key.clone(), evidence.clone())),
            }
        }
    }
}

impl Arrays {
    fn join(&mut self, more: &Arrays) {
        self.count += more.count;
        self.dtypes.extend(
            more.dtypes.iter().filter(|dtype| !self.dtypes.contains(dtype)).copied().collect::<Vec<_>>(),
        );
        self.orders.extend(
            more.orders.iter().filter(|order| !self.orders.contains(order)).copied().collect::<Vec<_>>(),
        );
        self.shape = match (self.shape.take(), &more.shape) {
            (Some(all), Some(more)) if all.len() == more.len() => {
                Some(all.into_iter().zip(more).map(|(a, b)| if a == *b { a } else { None }).collect())
            }
            _ => None,
        };
    }
}

fn span<T: PartialOrd + Copy>(all: &mut Option<Span<T>>, found: T) {
    join(all, &Some(Span { count: 1, least: found, greatest: found, nans: 0 }), Span::join);
}

fn float(all: &mut Option<Span<f64>>, found: f64) {
    if found.is_nan() {
        let no_number = Span { count: 1, least: f64::INFINITY, greatest: f64::NEG_INFINITY, nans: 1 };
        join(all, &Some(no_number), Span::join);
    } else {
        span(all, found);
    }
}
