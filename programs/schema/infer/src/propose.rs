//! Proposes a schema that accepts all messages, with comments for open questions.

use linkspan::schema::{Field, Kind, Length, Schema, Type, Width};
use linkspan::{Error, ErrorKind, Result, quoted};

use super::comments::Comments;
use super::evidence::{Arrays, Evidence, Maps};

/// Floats hold every integer up to this one exactly.
const EXACT: i128 = 1 << 53;
/// Occurrences after which a small set of texts counts as an enum.
const OFTEN: u64 = 8;
/// More fields than this, each in few messages, count as keys of a map.
const MANY_KEYS: usize = 24;

/// A schema made from messages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Proposal {
    /// The schema; it accepts every seen message.
    pub schema: Schema,
    /// The notation, with a comment for each open question.
    pub text: String,
    /// The number of open questions.
    pub doubts: usize,
    /// The paths of lists that were empty in every message, such as `fields.a.of`.
    pub empty_lists: Vec<String>,
}

/// The comment on such a list.
const EMPTY_LIST: &str = "type? every list was empty";

/// Returns a schema of this name that accepts all messages.
///
/// # Errors
/// `Missing` without messages, `Malformed` for an invalid name.
pub fn propose(name: &str, evidence: &Evidence) -> Result<Proposal> {
    if evidence.seen == 0 {
        return Err(Error::new(
            ErrorKind::Missing,
            "no message was seen, so there is nothing to infer a schema from",
        ));
    }
    if !Schema::is_name(name) {
        let text = format!(
            "{} is not a valid name of a schema: letters, digits and underscores, with dots between parts; give one with --name",
            quoted(name)
        );
        return Err(Error::new(ErrorKind::Malformed, text));
    }
    let mut comments = Comments::default();
    let mut root = of(evidence, "", &mut comments);
    if evidence.nulls > 0 {
        // Only a field can be optional, but this is the message.
        root = Type::plain(Kind::Any);
        comments.add("", format!("messages are of several kinds: {}", evidence.in_words()));
    }
    let schema = Schema::new(name, root);
    let doubts = comments.0.len();
    let are_empty = comments.0.iter().filter(|(_, text)| text == EMPTY_LIST);
    let empty_lists = are_empty.map(|(path, _)| path.clone()).collect();
    comments.0.insert(0, (String::new(), format!("inferred from {}", messages(evidence.seen))));
    Ok(Proposal { text: comments.written(&schema), schema, doubts, empty_lists })
}

pub(super) fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

/// Returns the type of these values except null. `path` is the header of the type's table.
pub(super) fn of(evidence: &Evidence, path: &str, comments: &mut Comments) -> Type {
    match evidence.kinds() {
        0 => {
            comments.add(path, "type? only null was seen");
            return Type::plain(Kind::Any);
        }
        1 => {}
        _ => {
            comments.add(path, format!("type? {}", evidence.in_words()));
            return Type::plain(Kind::Any);
        }
    }
    let kind = if evidence.integers.is_some() || evidence.floats.is_some() {
        number(evidence, path, comments)
    } else if let Some(texts) = &evidence.texts {
        if let Some(values) = &texts.values
            && texts.count >= OFTEN
            && values.len() as u64 * 2 <= texts.count
        {
            comments.add(path, format!("enum? only {} in {} values", values.join(", "), texts.count));
        }
        Kind::Text(None)
    } else if evidence.bools > 0 {
        Kind::Bool
    } else if evidence.bytes.is_some() {
        Kind::Bytes(None)
    } else if evidence.timestamps > 0 {
        Kind::Timestamp
    } else if evidence.uuids > 0 {
        Kind::Uuid
    } else if evidence.decimals > 0 {
        Kind::Decimal
    } else if let Some(lists) = &evidence.lists {
        let inner = below(path, "of");
        if lists.of.seen == 0 {
            comments.add(path, EMPTY_LIST);
            Kind::List(Box::new(Type::plain(Kind::Any)), None)
        } else {
            Kind::List(Box::new(each(&lists.of, &inner, comments)), None)
        }
    } else if let Some(maps) = &evidence.maps {
        map(maps, path, comments)
    } else if let Some(arrays) = &evidence.arrays {
        array(arrays, path, comments)
    } else {
        comments.add(path, format!("type? {}", evidence.in_words()));
        Kind::Any
    };
    Type::plain(kind)
}

/// Returns the type of a list's or map's values, which cannot be optional.
pub(super) fn each(evidence: &Evidence, path: &str, comments: &mut Comments) -> Type {
    if evidence.nulls > 0 {
        comments.add(path, format!("type? {}", evidence.in_words()));
        return Type::plain(Kind::Any);
    }
    of(evidence, path, comments)
}

pub(super) fn below(path: &str, part: &str) -> String {
    if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") }
}

fn number(evidence: &Evidence, path: &str, comments: &mut Comments) -> Kind {
    match (&evidence.integers, &evidence.floats) {
        (Some(integers), Some(floats)) => {
            let all = integers.count + floats.count;
            if integers.least < -EXACT || integers.greatest > EXACT {
                comments.add(
                    path,
                    format!("integer or float? {} of {all} were integers, some beyond 2^53", integers.count),
                );
                return Kind::Any;
            }
            comments.add(path, format!("integer or float? {} of {all} were integers", integers.count));
            Kind::F64
        }
        (Some(integers), None) => {
            let (least, greatest) = (integers.least, integers.greatest);
            if greatest > i64::MAX.into() && least < 0 {
                comments.add(path, "type? integers below 0 and beyond 2^63");
                return Kind::Any;
            }
            let from = if least == greatest { format!("{least}") } else { format!("{least} to {greatest}") };
            comments.add(path, format!("integer or float? all {} were integers, {from}", integers.count));
            Kind::Integer(if greatest > i64::MAX.into() { Width::U64 } else { Width::I64 })
        }
        _ => Kind::F64,
    }
}

fn map(maps: &Maps, path: &str, comments: &mut Comments) -> Kind {
    let rare = |(_, field): &&(String, Evidence)| field.seen * 4 < maps.count;
    let are_keys =
        maps.fields.len() > MANY_KEYS && maps.fields.iter().filter(rare).count() * 2 > maps.fields.len();
    if maps.rest.seen > 0 || are_keys || maps.fields.is_empty() {
        let inner = below(path, "of");
        let values = maps.values();
        if values.seen == 0 {
            comments.add(path, "record or map? every map was empty");
            return Kind::Map(Box::new(Type::plain(Kind::Any)));
        }
        if are_keys && maps.rest.seen == 0 {
            comments.add(
                path,
                format!("record or map? {} keys, most of them in few messages", maps.fields.len()),
            );
        }
        return Kind::Map(Box::new(each(&values, &inner, comments)));
    }
    let mut fields = Vec::with_capacity(maps.fields.len());
    for (name, evidence) in &maps.fields {
        let path = below(path, &format!("fields.{name}"));
        let absent = maps.count.saturating_sub(evidence.seen);
        let mut field = Field::new(name, Type::plain(Kind::Any));
        if absent > 0 || evidence.nulls > 0 {
            field.optional = true;
            let there = evidence.seen - evidence.nulls;
            let null =
                if evidence.nulls > 0 { format!(", null in {}", evidence.nulls) } else { String::new() };
            comments.add(&path, format!("optional? in {there} of {}{null}", messages(maps.count)));
        }
        field.of = of(evidence, &path, comments);
        fields.push(field);
    }
    Kind::Record(fields)
}

fn array(arrays: &Arrays, path: &str, comments: &mut Comments) -> Kind {
    let [dtype] = arrays.dtypes[..] else {
        let names: Vec<&str> = arrays.dtypes.iter().map(|dtype| dtype.name()).collect();
        comments.add(path, format!("type? arrays of {}", names.join(", ")));
        return Kind::Any;
    };
    let shape = arrays.shape.as_ref().map(|shape| {
        shape.iter().map(|length| length.map_or(Length::Any, Length::Fixed)).collect::<Vec<_>>()
    });
    match &shape {
        None => comments.add(path, "shape? the number of dimensions differs"),
        Some(shape) if shape.iter().any(|length| matches!(length, Length::Fixed(_))) => {
            let lengths: Vec<String> = shape.iter().map(Length::to_string).collect();
            comments.add(path, format!("shape? [{}] in all {} arrays", lengths.join(", "), arrays.count));
        }
        _ => {}
    }
    Kind::NdArray { dtype, shape, order: None }
}
