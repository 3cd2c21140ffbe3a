//! The codecs without messages, compared with the codecs that Rust programs use most.

use linkspan::schema::{Schema, Side};
use linkspan::value::ValueBuilder;
use linkspan::value::typed::Typed;
use linkspan::{Encoding, Limits, Map, Value, codec};

use super::reading::{self, BoilerReading};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::worker::{Work, serve};

/// The map of ten fields of every language's rows.
const READING: &str = r#"{"id":123456,"name":"boiler-7","temperature":71.25,"pressure":2.125,"unit":"bar","ok":true,
"station":"hall/3","count":98765,"time":1251082000.25,"note":null}"#;

/// Returns a value of one shape, in JSON.
fn sample(name: &str) -> Result<String> {
    Ok(match name {
        "flat" => READING.to_owned(),
        "nested" => r#"{"id":123456,"name":"boiler-7","pose":{"x":0.25,"y":-0.5,"z":9.75},
"range":{"low":-50.5,"high":150.5,"unit":"Cel"},"state":{"on":true,"mode":"FAST","errors":2}}"#
            .to_owned(),
        "rows" => {
            let row = |i: u32| format!(r#"{{"id":{i},"value":{}.25,"ok":{}}}"#, i * 3, i.is_multiple_of(2));
            let rows: Vec<_> = (0..100).map(row).collect();
            format!(r#"{{"rows":[{}]}}"#, rows.join(","))
        }
        "texts" => {
            let text = "The pressure of boiler 7 is above its limit; the valve was opened. ".repeat(30);
            format!(r#"{{"log":"{text}","more":"{text}","last":"{text}"}}"#)
        }
        other => return Err(format!("no sample is called {other}").into()),
    })
}

struct Closure<F>(F);

impl<F: FnMut() -> Result<()>> Work for Closure<F> {
    // One operation is shorter than the clock can measure.
    const PER: u64 = 16;
    fn once(&mut self) -> Result<()> {
        for _ in 0..Self::PER {
            (self.0)()?;
        }
        Ok(())
    }
}

/// Runs this work once per requested operation.
pub(super) fn alone<F: FnMut() -> Result<()>>(work: F) -> Result<()> {
    pin(Placement::Apart, End::Near)?;
    serve(Closure(work))
}

fn reading() -> Result<Value> {
    value("flat")
}

fn value(name: &str) -> Result<Value> {
    Ok(codec::decode(sample(name)?.as_bytes(), Encoding::Json)?)
}

pub fn encode(encoding: &str, name: &str) -> Result<()> {
    let (encoding, value) = (Encoding::from_name(encoding)?, value(name)?);
    alone(|| {
        std::hint::black_box(codec::encode(std::hint::black_box(&value), encoding)?);
        Ok(())
    })
}

pub fn decode(encoding: &str, name: &str) -> Result<()> {
    let encoding = Encoding::from_name(encoding)?;
    let bytes = codec::encode(&value(name)?, encoding)?;
    alone(|| {
        std::hint::black_box(codec::decode(std::hint::black_box(&bytes), encoding)?);
        Ok(())
    })
}

/// Decodes a value and checks each field against its schema.
pub fn checked(encoding: &str) -> Result<()> {
    let encoding = Encoding::from_name(encoding)?;
    let (schema, limits) = (Schema::parse(reading::SCHEMA)?, Limits::default());
    let bytes = codec::encode(&reading()?, encoding)?;
    alone(|| {
        let checker = schema.checker(Side::Reader, ValueBuilder::new());
        let checker = codec::decode_into(std::hint::black_box(&bytes), encoding, &limits, checker)?;
        std::hint::black_box(checker.into_inner().finish()?);
        Ok(())
    })
}

/// Returns the generated record of ten fields.
fn record() -> Result<BoilerReading> {
    let bytes = codec::encode(&reading()?, Encoding::Cbor)?;
    Ok(from_bytes(&bytes)?)
}

fn from_bytes(bytes: &[u8]) -> linkspan::Result<BoilerReading> {
    codec::decode_into(bytes, Encoding::Cbor, &Limits::default(), Typed::new())?.finish()
}

pub fn record_encode() -> Result<()> {
    let record = record()?;
    alone(|| {
        std::hint::black_box(codec::encode(std::hint::black_box(&record), Encoding::Cbor)?);
        Ok(())
    })
}

/// Decodes a record from CBOR with generated code: the bytes of [`tree_decode`].
pub fn record_decode() -> Result<()> {
    let bytes = codec::encode(&reading()?, Encoding::Cbor)?;
    alone(|| {
        std::hint::black_box(from_bytes(std::hint::black_box(&bytes))?);
        Ok(())
    })
}

pub fn tree_encode() -> Result<()> {
    let record = record()?;
    alone(|| {
        let from = std::hint::black_box(&record);
        // As many entries as the record has present fields.
        let mut value = Map::with_capacity(10);
        value.insert("id".to_owned(), from.id.into());
        value.insert("name".to_owned(), from.name.as_str().into());
        value.insert("temperature".to_owned(), from.temperature.into());
        value.insert("pressure".to_owned(), from.pressure.into());
        value.insert("unit".to_owned(), from.unit.as_str().into());
        value.insert("ok".to_owned(), from.ok.into());
        value.insert("station".to_owned(), from.station.as_str().into());
        value.insert("count".to_owned(), from.count.into());
        value.insert("time".to_owned(), from.time.into());
        if let Some(note) = &from.note {
            value.insert("note".to_owned(), note.as_str().into());
        }
        let value = Value::Map(value);
        std::hint::black_box(codec::encode(&value, Encoding::Cbor)?);
        Ok(())
    })
}

/// Decodes the same record from CBOR through a tree, with look-ups by name.
pub fn tree_decode() -> Result<()> {
    let bytes = codec::encode(&reading()?, Encoding::Cbor)?;
    alone(|| {
        let value = codec::decode(std::hint::black_box(&bytes), Encoding::Cbor)?;
        let note = match value.at("note")? {
            Value::Null => None,
            note => Some(note.as_text()?.to_owned()),
        };
        std::hint::black_box(BoilerReading {
            id: u32::try_from(value.at("id")?.as_u64()?)?,
            name: value.at("name")?.as_text()?.to_owned(),
            temperature: value.at("temperature")?.as_f64()?,
            pressure: value.at("pressure")?.as_f64()?,
            unit: value.at("unit")?.as_text()?.to_owned(),
            ok: value.at("ok")?.as_bool()?,
            station: value.at("station")?.as_text()?.to_owned(),
            count: value.at("count")?.as_u64()?,
            time: value.at("time")?.as_f64()?,
            note,
        });
        Ok(())
    })
}

pub fn record_copy() -> Result<()> {
    let record = record()?;
    alone(|| {
        std::hint::black_box(std::hint::black_box(&record).clone());
        Ok(())
    })
}

/// Encodes with `serde_json`, `ciborium` and `bson`.
pub fn peer_encode(encoding: &str, name: &str) -> Result<()> {
    let text = sample(name)?;
    if encoding == "bson" {
        let value: bson::Document = serde_json::from_str(&text)?;
        return alone(|| {
            std::hint::black_box(std::hint::black_box(&value).to_vec()?);
            Ok(())
        });
    }
    let value: serde_json::Value = serde_json::from_str(&text)?;
    if encoding == "json" {
        return alone(|| {
            std::hint::black_box(serde_json::to_vec(std::hint::black_box(&value))?);
            Ok(())
        });
    }
    let value: ciborium::Value = ciborium::Value::serialized(&value)?;
    alone(|| {
        let mut out = Vec::new();
        ciborium::into_writer(std::hint::black_box(&value), &mut out)?;
        std::hint::black_box(out);
        Ok(())
    })
}

/// Decodes with `serde_json`, `ciborium` and `bson`.
pub fn peer_decode(encoding: &str, name: &str) -> Result<()> {
    let value = value(name)?;
    if encoding == "bson" {
        let bytes = codec::encode(&value, Encoding::Bson)?;
        return alone(|| {
            std::hint::black_box(bson::Document::from_reader(std::hint::black_box(&bytes[..]))?);
            Ok(())
        });
    }
    if encoding == "json" {
        let bytes = codec::encode(&value, Encoding::Json)?;
        return alone(|| {
            std::hint::black_box(serde_json::from_slice::<serde_json::Value>(std::hint::black_box(&bytes))?);
            Ok(())
        });
    }
    let bytes = codec::encode(&value, Encoding::Cbor)?;
    alone(|| {
        std::hint::black_box(ciborium::from_reader::<ciborium::Value, _>(std::hint::black_box(&bytes[..]))?);
        Ok(())
    })
}
