//! The names in a recording: topics, keys of metadata, encodings; docs/recording-format.md says what each means.

use std::collections::BTreeMap;

/// The profile in the header of each file.
pub const PROFILE: &str = "linkspan";
/// That of a file for viewers, whose messages are as ROS 2 writes them.
pub const PROFILE_ROS2: &str = "ros2";
/// What the library in the header of each file begins with, which says who wrote it.
pub const LIBRARY: &str = "linkspan-record ";
/// The topic of events.
pub const EVENTS: &str = "linkspan/events";
/// The name of the schema of events.
pub const EVENT_SCHEMA: &str = "linkspan.Event";

/// Bytes of a publisher and its like at most, which stand beside each message of an export.
pub(crate) const MAX_TEXT: usize = 1_024;

/// What of a text of a peer a channel may have: its beginning, where it is longer.
pub(crate) fn brief(text: &str) -> String {
    let fits = |(at, one): &(usize, char)| at.saturating_add(one.len_utf8()) <= MAX_TEXT;
    text.char_indices().take_while(fits).map(|(_, one)| one).collect()
}

/// How a schema is written.
pub mod schema_encoding {
    /// In Linkspan's notation.
    pub const LINKSPAN: &str = "linkspan";
    /// JSON Schema.
    pub const JSON_SCHEMA: &str = "jsonschema";
}

/// Keys in the metadata of a channel.
pub mod channel {
    /// The endpoint with its transport.
    pub const ENDPOINT: &str = "linkspan.endpoint";
    /// The incarnation of the publisher, 16 hexadecimal digits.
    pub const INCARNATION: &str = "linkspan.incarnation";
    /// The number of the channel's first message in this part.
    pub const FIRST: &str = "linkspan.first";
    /// The publisher's `client_id`, or its program and process number.
    pub const SOURCE: &str = "linkspan.source";
    /// The machine that the name was imported from.
    pub const MACHINE: &str = "linkspan.machine";
    /// The schema in Linkspan's notation, where the channel's own is another one.
    pub const SCHEMA: &str = "linkspan.schema";
    /// The schema as JSON Schema that admits all messages; the channel's own may be in Linkspan's notation, or admit
    /// less.
    pub const JSON_SCHEMA: &str = "linkspan.jsonschema";
    /// The unit of a field, behind which its path stands; that of the message itself has no path.
    pub const UNIT: &str = "linkspan.unit";
    /// `true` for a channel of repeated messages.
    pub const REPEATED: &str = "linkspan.repeated";
}

/// Metadata records.
pub mod metadata {
    /// At the beginning of each part.
    pub const RECORDING: &str = "linkspan.recording";
    /// At the end of a part that was closed.
    pub const END: &str = "linkspan.end";
    /// Up to which number the parts before have each publisher: at the beginning of a part, where there are some.
    pub const NUMBERS: &str = "linkspan.numbers";
    /// In a recording that was made of others: what one of those says of itself, and its file.
    pub const ORIGINAL: &str = "linkspan.original";
    /// At the end of a recording that was made of others: what of those could not be read, so that it is not there.
    pub const OMITTED: &str = "linkspan.omitted";
    /// The same of a part that was not closed, whose recorder wrote no further: keys as above.
    pub const UNCLOSED: &str = "linkspan.unclosed";
    /// Which parts the recorder removed for those that came then: where it did, and at the beginning of each later
    /// part.
    pub const DROPPED: &str = "linkspan.dropped";
    /// What `--note` added.
    pub const NOTES: &str = "linkspan.notes";
}

/// The key of the same at the end of a part.
pub const DROPPED: &str = "dropped";

/// Keys in a metadata record of what could not be read.
pub mod omitted {
    /// The file.
    pub const FILE: &str = "file";
    /// The byte at which it could not be read.
    pub const BYTE: &str = "byte";
    /// Why.
    pub const TEXT: &str = "text";
}

/// What a record of the metadata `linkspan.omitted` says, in one text.
pub fn omitted(entries: &BTreeMap<String, String>) -> String {
    let of = |key| entries.get(key).map_or("", String::as_str);
    let byte = entries.get(omitted::BYTE).map_or_else(String::new, |byte| format!(": byte {byte}"));
    format!("{}{byte}: {}", of(omitted::FILE), of(omitted::TEXT))
}

/// A number in a text of digits alone: signs and blanks are none of it.
pub fn number(text: &str, radix: u32) -> Option<u64> {
    let is_plain = text.chars().all(|digit| digit.is_digit(radix));
    u64::from_str_radix(text, radix).ok().filter(|_| is_plain)
}

/// Reads an entry of `linkspan.numbers`: an incarnation, its topic, and the number that comes next.
pub fn next_number<'a>(key: &'a str, text: &str) -> Option<(u64, &'a str, u64)> {
    let (incarnation, topic) = key.split_once(' ')?;
    Some((number(incarnation, 16)?, topic, number(text, 10)?))
}
