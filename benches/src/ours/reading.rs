//! Messages of the schema boiler.reading, version 1.
//!
//! Written by `linkspan schema generate --lang rust`: change the schema and generate it again.

#![allow(clippy::doc_markdown, clippy::unreadable_literal, clippy::excessive_precision, clippy::approx_constant)]
#![allow(clippy::struct_excessive_bools, clippy::struct_field_names, clippy::enum_variant_names)]
#![allow(clippy::large_enum_variant, clippy::too_many_lines, clippy::similar_names, non_camel_case_types, dead_code)]

use linkspan::value::typed;
use linkspan::value::{Sink, Source};

/// The schema in its notation: `linkspan::schema::Schema::parse(SCHEMA)?` is for `Options::with_schema`.
pub const SCHEMA: &str = r#"name = "boiler.reading"
version = 1

[fields.id]
type = "u32"

[fields.name]
type = "text"

[fields.temperature]
type = "f64"
unit = "Cel"
range = [-50.0, 150.0]

[fields.pressure]
type = "f64"
unit = "bar"
range = [0.0, 16.0]

[fields.unit]
type = "text"
max_length = 16

[fields.ok]
type = "bool"

[fields.station]
type = "text"

[fields.count]
type = "u64"

[fields.time]
type = "f64"

[fields.note]
type = "text"
optional = true
"#;

/// The fingerprint of the schema.
pub const FINGERPRINT: &str = "7a3045175406021a200a282781e094042fbf6a78f437f3a8cf28ec46f5329141";

/// `boiler.reading`.
#[derive(Clone, Debug, PartialEq)]
pub struct BoilerReading {
    /// `id`
    pub id: u32,
    /// `name`
    pub name: String,
    /// Unit: Cel. Range: [-50.0, 150.0].
    pub temperature: f64,
    /// Unit: bar. Range: [0.0, 16.0].
    pub pressure: f64,
    /// At most 16 bytes of UTF-8.
    pub unit: String,
    /// `ok`
    pub ok: bool,
    /// `station`
    pub station: String,
    /// `count`
    pub count: u64,
    /// `time`
    pub time: f64,
    /// Optional.
    pub note: Option<String>,
}

impl Source for BoilerReading {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> linkspan::Result<()> {
        sink.begin_map(9 + usize::from(self.note.is_some()))?;
        typed::field(sink, "id", &self.id)?;
        typed::field(sink, "name", &self.name)?;
        typed::field(sink, "temperature", &self.temperature)?;
        typed::field(sink, "pressure", &self.pressure)?;
        typed::field(sink, "unit", &self.unit)?;
        typed::field(sink, "ok", &self.ok)?;
        typed::field(sink, "station", &self.station)?;
        typed::field(sink, "count", &self.count)?;
        typed::field(sink, "time", &self.time)?;
        if let Some(value) = &self.note {
            typed::field(sink, "note", value)?;
        }
        sink.end_map()
    }
}

/// Builds a [`BoilerReading`] from the events of a decoder.
#[derive(Debug, Default)]
pub struct BoilerReadingBuilder {
    fields: typed::Fields,
    id: <u32 as typed::Decode>::Builder,
    name: <String as typed::Decode>::Builder,
    temperature: <f64 as typed::Decode>::Builder,
    pressure: <f64 as typed::Decode>::Builder,
    unit: <String as typed::Decode>::Builder,
    ok: <bool as typed::Decode>::Builder,
    station: <String as typed::Decode>::Builder,
    count: <u64 as typed::Decode>::Builder,
    time: <f64 as typed::Decode>::Builder,
    note: typed::Maybe<<String as typed::Decode>::Builder, true>,
}

const _: () = {
    const KEYS: &[&str] = &["id", "name", "temperature", "pressure", "unit", "ok", "station", "count", "time", "note"];
    const ALIASES: &[(&str, usize)] = &[];

    impl typed::Build for BoilerReadingBuilder {
        type Output = BoilerReading;

        fn event(&mut self, event: typed::Event<'_>) -> linkspan::Result<bool> {
            let complete = match self.fields.step(&event, KEYS, ALIASES)? {
                typed::Step::Into(0) => self.id.event(event)?,
                typed::Step::Into(1) => self.name.event(event)?,
                typed::Step::Into(2) => self.temperature.event(event)?,
                typed::Step::Into(3) => self.pressure.event(event)?,
                typed::Step::Into(4) => self.unit.event(event)?,
                typed::Step::Into(5) => self.ok.event(event)?,
                typed::Step::Into(6) => self.station.event(event)?,
                typed::Step::Into(7) => self.count.event(event)?,
                typed::Step::Into(8) => self.time.event(event)?,
                typed::Step::Into(_) => self.note.event(event)?,
                typed::Step::Taken => return Ok(false),
                typed::Step::Complete => return Ok(true),
            };
            self.fields.after(complete);
            Ok(false)
        }

        #[inline]
        fn known_key(&mut self, key: &[u8]) -> linkspan::Result<bool> {
            Ok(self.fields.known_key(key, KEYS)? == typed::Step::Complete)
        }

        fn from_cbor(bytes: &[u8]) -> Option<Self::Output> {
            let mut from = linkspan::codec::FlatMap::new(bytes, 10)?;
            let record = BoilerReading {
                id: from.required("id")?,
                name: from.required("name")?,
                temperature: from.required("temperature")?,
                pressure: from.required("pressure")?,
                unit: from.required("unit")?,
                ok: from.required("ok")?,
                station: from.required("station")?,
                count: from.required("count")?,
                time: from.required("time")?,
                note: from.optional("note")?,
            };
            from.finish().map(|()| record)
        }

        fn finish(self) -> linkspan::Result<Self::Output> {
            self.fields.finish()?;
            let id = typed::finish_field(self.id, "id")?;
            let name = typed::finish_field(self.name, "name")?;
            let temperature = typed::finish_field(self.temperature, "temperature")?;
            let pressure = typed::finish_field(self.pressure, "pressure")?;
            let unit = typed::finish_field(self.unit, "unit")?;
            let ok = typed::finish_field(self.ok, "ok")?;
            let station = typed::finish_field(self.station, "station")?;
            let count = typed::finish_field(self.count, "count")?;
            let time = typed::finish_field(self.time, "time")?;
            let note = typed::finish_field(self.note, "note")?;
            Ok(BoilerReading { id, name, temperature, pressure, unit, ok, station, count, time, note })
        }
    }
};

impl typed::Decode for BoilerReading {
    type Builder = BoilerReadingBuilder;
}

impl BoilerReading {
    /// Returns the value of a message, decoded without a tree.
    ///
    /// # Errors
    ///
    /// `SchemaMismatch` for a message of another schema; `Missing`, `WrongType` or `OutOfRange`, with the path in
    /// the message, for a wrong value.
    pub fn decode(message: &linkspan::Message) -> linkspan::Result<Self> {
        message.check_fingerprint(FINGERPRINT)?;
        message.typed()
    }
}
