//! The codecs by themselves, beside the ones that Rust programs use most.

use linkspan::schema::{Schema, Side};
use linkspan::value::ValueBuilder;
use linkspan::{Encoding, Limits, Value, codec};

use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::worker::{Work, serve};

/// The map of ten fields of every language's rows.
const READING: &str = r#"{"id":123456,"name":"boiler-7","temperature":71.25,"pressure":2.125,"unit":"bar","ok":true,
"station":"hall/3","count":98765,"time":1251082000.25,"note":null}"#;

struct Closure<F>(F);

impl<F: FnMut() -> Result<()>> Work for Closure<F> {
    // One goes by faster than the clock can be read.
    const PER: u64 = 16;
    fn once(&mut self) -> Result<()> {
        for _ in 0..Self::PER {
            (self.0)()?;
        }
        Ok(())
    }
}

fn alone<F: FnMut() -> Result<()>>(work: F) -> Result<()> {
    pin(Placement::Apart, End::Near)?;
    serve(Closure(work))
}

fn reading() -> Result<Value> {
    Ok(codec::decode(READING.as_bytes(), Encoding::Json)?)
}

/// A value to bytes.
pub fn encode(encoding: &str) -> Result<()> {
    let (encoding, value) = (Encoding::from_name(encoding)?, reading()?);
    alone(|| {
        std::hint::black_box(codec::encode(std::hint::black_box(&value), encoding)?);
        Ok(())
    })
}

/// Bytes to a value.
pub fn decode(encoding: &str) -> Result<()> {
    let encoding = Encoding::from_name(encoding)?;
    let bytes = codec::encode(&reading()?, encoding)?;
    alone(|| {
        std::hint::black_box(codec::decode(std::hint::black_box(&bytes), encoding)?);
        Ok(())
    })
}

/// What the map of ten fields means.
const SCHEMA: &str = r#"
name = "boiler.reading"
[fields]
id = "u32"
name = "text"
temperature = { type = "f64", unit = "Cel", range = [-50, 150] }
pressure = { type = "f64", unit = "bar", range = [0, 16] }
unit = { type = "text", max_length = 16 }
ok = "bool"
station = "text"
count = "u64"
time = "f64"
note = { type = "text", optional = true }
"#;

/// Bytes to a value, each field checked against its schema on the way.
pub fn checked(encoding: &str) -> Result<()> {
    let encoding = Encoding::from_name(encoding)?;
    let (schema, limits) = (Schema::parse(SCHEMA)?, Limits::default());
    let bytes = codec::encode(&reading()?, encoding)?;
    alone(|| {
        let checker = schema.checker(Side::Reader, ValueBuilder::new());
        let checker = codec::decode_into(std::hint::black_box(&bytes), encoding, &limits, checker)?;
        std::hint::black_box(checker.into_inner().finish()?);
        Ok(())
    })
}

/// The same by `serde_json`, `ciborium` and `bson`.
pub fn peer_encode(encoding: &str) -> Result<()> {
    if encoding == "bson" {
        let value: bson::Document = serde_json::from_str(READING)?;
        return alone(|| {
            std::hint::black_box(std::hint::black_box(&value).to_vec()?);
            Ok(())
        });
    }
    let value: serde_json::Value = serde_json::from_str(READING)?;
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

/// The same by `serde_json`, `ciborium` and `bson`.
pub fn peer_decode(encoding: &str) -> Result<()> {
    if encoding == "bson" {
        let bytes = codec::encode(&reading()?, Encoding::Bson)?;
        return alone(|| {
            std::hint::black_box(bson::Document::from_reader(std::hint::black_box(&bytes[..]))?);
            Ok(())
        });
    }
    if encoding == "json" {
        let bytes = codec::encode(&reading()?, Encoding::Json)?;
        return alone(|| {
            std::hint::black_box(serde_json::from_slice::<serde_json::Value>(std::hint::black_box(&bytes))?);
            Ok(())
        });
    }
    let bytes = codec::encode(&reading()?, Encoding::Cbor)?;
    alone(|| {
        std::hint::black_box(ciborium::from_reader::<ciborium::Value, _>(std::hint::black_box(&bytes[..]))?);
        Ok(())
    })
}
