//! The entry points: encode, decode and transcode in the encoding that the caller names.
//!
//! Only this module puts meters, escapes and placers around an encoding.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::{Encoding, bson, cbor, json, plain, raw, smile};
use crate::body::{Body, Parts, Placer, Rest};
use crate::codec::MAX_DEPTH;
use crate::codec::output::Output;
use crate::error::{Result, memory};
use crate::value::escape::Escape;
use crate::value::unescape::Unescape;
use crate::value::{Keys, Limits, Meter, NdArray, Sink, Source, Value, ValueBuilder};

const USUAL: usize = 256;
const LONGEST_HINT: usize = 64 << 10;

/// The options of encoding.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EncodeOptions {
    /// The limits of the value and of its encoded form.
    pub limits: Limits,
    /// Whether elements of N-d arrays begin at a multiple of 8 bytes from the value's start; only in CBOR.
    pub align: bool,
    /// Whether the source may repeat a key in a map.
    pub keys: Keys,
}

impl Default for EncodeOptions {
    fn default() -> EncodeOptions {
        EncodeOptions { limits: Limits::default(), align: false, keys: Keys::Trust }
    }
}

impl EncodeOptions {
    /// Returns the defaults with these limits.
    pub fn within(limits: Limits) -> EncodeOptions {
        EncodeOptions { limits, ..EncodeOptions::default() }
    }

    /// Sets whether arrays are aligned.
    #[must_use]
    pub fn aligned(self, align: bool) -> EncodeOptions {
        EncodeOptions { align, ..self }
    }

    /// Sets whether keys are checked or trusted.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> EncodeOptions {
        EncodeOptions { keys, ..self }
    }
}

/// Returns the value's bytes in this encoding, within the default limits.
///
/// # Errors
///
/// `TooLarge` over a limit. `Unsupported` with the path for a value without a form in the encoding, which only
/// [`Encoding::Raw`] has. `OutOfMemory`.
pub fn encode<T: Source + ?Sized>(value: &T, encoding: Encoding) -> Result<Vec<u8>> {
    // One allocation suffices for most values. Long blocks may come from a pool, see `buffers`.
    let mut out = Vec::with_capacity(value.size_hint().clamp(USUAL, LONGEST_HINT));
    encode_into(value, encoding, &EncodeOptions::default(), &mut out)?;
    Ok(out)
}

/// Appends the value's bytes in this encoding to `out`, which is unchanged after an error.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_into<T: Source + ?Sized>(
    value: &T,
    encoding: Encoding,
    options: &EncodeOptions,
    out: &mut Vec<u8>,
) -> Result<()> {
    encode_placed(value, encoding, options, out, None)
}

/// As [`encode_into`], with a placer that may store long arrays elsewhere; only CBOR supports it.
#[doc(hidden)]
pub fn encode_placed<T: Source + ?Sized>(
    value: &T,
    encoding: Encoding,
    options: &EncodeOptions,
    out: &mut Vec<u8>,
    mut placer: Option<&mut dyn Placer>,
) -> Result<()> {
    let start = out.len();
    // An appended value replaces the walk, so only the length is checked.
    let appended = match encoding {
        Encoding::Cbor => value.append_cbor(out),
        Encoding::Json => value.append_json(out),
        _ => false,
    };
    if appended {
        return options.limits.check_message((out.len() - start) as u64).inspect_err(|_| out.truncate(start));
    }
    if append_plain(value, encoding, options, out) {
        return Ok(());
    }
    if let Some(placer) = &mut placer
        && encoding == Encoding::Cbor
        && let Some(done) = append_flat_arrays(value, options, out, &mut **placer)
    {
        return done.inspect_err(|_| out.truncate(start));
    }
    write(
        encoding,
        options,
        out,
        placer,
        Walk { value, limits: bounded(&options.limits), keys: options.keys },
    )
}

/// Returns the value of these bytes, within the default limits.
///
/// # Errors
///
/// `Malformed`, `Unsupported` or `TooLarge`, each with its offset and path. JSON also has `OutOfRange`, beyond the
/// range of a float.
pub fn decode(bytes: &[u8], encoding: Encoding) -> Result<Value> {
    let limits = Limits::default();
    match decode_short(bytes, encoding, &limits) {
        Some(value) => Ok(value),
        None => decode_value(bytes, Parts::default(), bytes.len(), encoding, &limits, ValueBuilder::new()),
    }
}

/// Returns the value of these bytes; its long blocks and arrays are views of contiguous `bytes`.
pub fn decode_shared(bytes: &Bytes, encoding: Encoding, limits: &Limits) -> Result<Value> {
    match decode_short(bytes, encoding, limits) {
        Some(value) => Ok(value),
        None => {
            let builder = ValueBuilder::sharing(bytes.clone());
            decode_value(bytes, Parts::default(), bytes.len(), encoding, limits, builder)
        }
    }
}

/// As [`decode_shared`], for a message's body, whose long arrays may be stored elsewhere.
#[doc(hidden)]
pub fn decode_body_shared(body: &Body, encoding: Encoding, limits: &Limits) -> Result<Value> {
    let short = match encoding {
        Encoding::Cbor => match body.block() {
            Some(block) => cbor::read_byte_string(block, &bounded(limits)),
            None => cbor::read_flat_arrays(body, &bounded(limits)),
        },
        Encoding::Json => json::decode_short(body.whole(), &bounded(limits)),
        _ => None,
    };
    match short {
        Some(value) => Ok(value),
        None => {
            let (bytes, parts) = encoded(body, encoding);
            decode_value(bytes, parts, body.len(), encoding, limits, ValueBuilder::sharing(body.clone()))
        }
    }
}

fn decode_short(bytes: &[u8], encoding: Encoding, limits: &Limits) -> Option<Value> {
    if encoding == Encoding::Json { json::decode_short(bytes, &bounded(limits)) } else { None }
}

/// Sends the value of these bytes into `sink`, and returns the sink.
///
/// N-d arrays and blocks reach the sink as slices of `bytes` if contiguous and little-endian. An error drops the sink
/// with its part of the value.
pub fn decode_into<S: Sink>(bytes: &[u8], encoding: Encoding, limits: &Limits, sink: S) -> Result<S> {
    decode_parts(bytes, Parts::default(), bytes.len(), encoding, limits, sink)
}

/// As [`decode_into`], for a message's body.
///
/// Offsets in errors do not count arrays stored elsewhere.
#[doc(hidden)]
pub fn decode_body<S: Sink>(body: &Body, encoding: Encoding, limits: &Limits, sink: S) -> Result<S> {
    let (bytes, parts) = encoded(body, encoding);
    decode_parts(bytes, parts, body.len(), encoding, limits, sink)
}

fn encoded(body: &Body, encoding: Encoding) -> (&[u8], Parts<'_>) {
    let opaque = || body.opaque().filter(|_| encoding == Encoding::Raw);
    match encoding {
        Encoding::Cbor => body.to_decode(),
        _ => (opaque().unwrap_or_else(|| body.whole()), Parts::default()),
    }
}

/// Appends a short tree of plain values in JSON, BSON or Smile; else returns false.
fn append_plain<T: Source + ?Sized>(
    value: &T,
    encoding: Encoding,
    options: &EncodeOptions,
    out: &mut Vec<u8>,
) -> bool {
    if !matches!(encoding, Encoding::Json | Encoding::Bson | Encoding::Smile) || options.keys == Keys::Check {
        return false;
    }
    let start = out.len();
    let mut appended = false;
    value.with_any(&mut |source| {
        let Some(value) = source.downcast_ref().filter(|value| plain::is_plain(value, &options.limits))
        else {
            return;
        };
        let (out, limits) = (&mut *out, &options.limits);
        let done = match encoding {
            Encoding::Json => {
                plain::encode(value, || json::Encoder::new(Output::new(out, limits)), |e| e.finish())
            }
            Encoding::Bson => {
                plain::encode(value, || bson::Encoder::new(Output::new(out, limits)), |e| e.finish())
            }
            _ => plain::encode(value, || smile::Encoder::new(Output::new(out, limits)), |e| e.finish()),
        };
        appended = matches!(done, Ok(true));
    });
    if !appended {
        out.truncate(start);
    }
    appended
}

/// Appends a short map of scalars and long arrays, or a long array.
///
/// The source may have such a value in memory. `None`: the source needs a walk, and nothing is appended.
fn append_flat_arrays<T: Source + ?Sized>(
    value: &T,
    options: &EncodeOptions,
    out: &mut Vec<u8>,
    placer: &mut dyn Placer,
) -> Option<Result<()>> {
    let mut done = None;
    value.with_any(&mut |source| {
        let limits = bounded(&options.limits);
        done = match (source.downcast_ref(), source.downcast_ref()) {
            (Some(Value::Map(map)), _) if cbor::is_flat_with_arrays(map, &limits) => {
                let output = Output::with_placer(out, &options.limits, Some(&mut *placer)).spilling();
                Some(cbor::append_flat_arrays(map, output, options.align))
            }
            (Some(Value::NdArray(array)), _) | (_, Some(array)) if cbor::is_long(array, &limits) => {
                let output = Output::with_placer(out, &options.limits, Some(&mut *placer)).spilling();
                Some(cbor::append_long_array(array, output, options.align))
            }
            _ => None,
        };
    });
    done
}

/// Returns the source in CBOR around its one long array, which `placer` has stored elsewhere.
///
/// `None` for a source that is neither a long array nor a short map with one. `Some(None)` if the placer refused the
/// array. The bytes equal those of [`encode_placed`] with aligned arrays.
#[doc(hidden)]
pub fn write_around_array<T: Source + ?Sized>(
    value: &T,
    limits: &Limits,
    placer: &mut dyn Placer,
) -> Option<Option<Rest>> {
    let mut done = None;
    value.with_any(&mut |source| {
        let limits = bounded(limits);
        let found = match (source.downcast_ref(), source.downcast_ref()) {
            (Some(Value::Map(map)), _) => cbor::write_around_array(map, &limits),
            (Some(Value::NdArray(array)), _) | (_, Some(array)) => {
                cbor::write_around_lone_array(array, &limits)
            }
            _ => None,
        };
        done = found.map(|found| {
            let cbor::AroundArray { rest, at, elements } = found;
            placer.place(at, elements, Some(elements)).then_some(rest)
        });
    });
    done
}

/// Returns the array of a CBOR body that is one array stored elsewhere.
#[doc(hidden)]
pub fn read_long_array(body: &Body, limits: &Limits) -> Option<NdArray> {
    cbor::read_long_array(body, &bounded(limits))
}

/// Decodes `bytes` with the `parts` between them; `length` is that of the whole message.
///
/// CBOR's decoder is compiled for each sink, so its events cost no call. The others are compiled once: for each
/// binding's sinks they were a third of the code.
fn decode_parts<S: Sink>(
    bytes: &[u8],
    parts: Parts<'_>,
    length: usize,
    encoding: Encoding,
    limits: &Limits,
    sink: S,
) -> Result<S> {
    let escaped = |limits, sink: &mut S| decode_escaped_to_any(bytes, encoding, limits, sink);
    decode_with(bytes, parts, length, encoding, limits, sink, escaped)
}

fn decode_escaped_to_any(
    bytes: &[u8],
    encoding: Encoding,
    limits: Limits,
    sink: &mut dyn Sink,
) -> Result<()> {
    decode_escaped(bytes, encoding, limits, sink)
}

fn decode_value(
    bytes: &[u8],
    parts: Parts<'_>,
    length: usize,
    encoding: Encoding,
    limits: &Limits,
    builder: ValueBuilder,
) -> Result<Value> {
    let escaped = |limits, builder: &mut ValueBuilder| decode_escaped(bytes, encoding, limits, builder);
    decode_with(bytes, parts, length, encoding, limits, builder, escaped)?.finish()
}

fn decode_with<S: Sink>(
    bytes: &[u8],
    parts: Parts<'_>,
    length: usize,
    encoding: Encoding,
    limits: &Limits,
    mut sink: S,
    escaped: impl FnOnce(Limits, &mut S) -> Result<()>,
) -> Result<S> {
    let limits = bounded(limits);
    limits.check_message(length as u64)?;
    if encoding != Encoding::Cbor {
        escaped(limits, &mut sink)?;
    } else if !(parts.list.is_empty() && cbor::is_flat_within(&limits, length, 0) && sink.take_cbor(bytes)) {
        decode_cbor(bytes, parts, limits, &mut sink)?;
    }
    Ok(sink)
}

// Borrows the sink: moving a record's large builder is a copy. Bytes may come from a peer, so keys are checked.

fn decode_cbor<S: Sink + ?Sized>(bytes: &[u8], parts: Parts<'_>, limits: Limits, sink: &mut S) -> Result<()> {
    cbor::decode(bytes, parts, &limits, &mut Meter::new(sink, limits, Keys::Check))
}

fn decode_escaped<S: Sink + ?Sized>(
    bytes: &[u8],
    encoding: Encoding,
    limits: Limits,
    sink: &mut S,
) -> Result<()> {
    let mut meter = Meter::new(sink, limits, Keys::Check);
    match encoding {
        Encoding::Raw => meter.bytes(bytes),
        Encoding::Json => json::decode(bytes, &limits, &mut Unescape::new(&mut meter)),
        Encoding::Bson => bson::decode(bytes, &limits, &mut Unescape::new(&mut meter).with_wrapped_top()),
        Encoding::Smile => smile::decode(bytes, &limits, &mut Unescape::new(&mut meter)),
        Encoding::Cbor => cbor::decode(bytes, Parts::default(), &limits, &mut meter),
    }
}

/// Returns the first value of a CBOR sequence (RFC 8742), and its length in bytes.
///
/// ```
/// # extern crate linkspan_value as linkspan;
/// let (first, length) = linkspan::codec::decode_first(&[0x01, 0x61, 0x78])?;
/// assert_eq!((first, length), (linkspan::Value::Int(1), 1));
/// # Ok::<(), linkspan::Error>(())
/// ```
pub fn decode_first(bytes: &[u8]) -> Result<(Value, usize)> {
    let limits = bounded(&Limits::default());
    let mut meter = Meter::new(ValueBuilder::new(), limits, Keys::Check);
    let length = cbor::decode_first(bytes, &limits, &mut meter)?;
    limits.check_message(length as u64)?;
    Ok((meter.into_inner().finish()?, length))
}

/// Returns the value in another encoding, within the default limits and without a tree.
pub fn transcode(bytes: &[u8], from: Encoding, to: Encoding) -> Result<Vec<u8>> {
    transcode_within(bytes, from, to, &Limits::default())
}

/// As [`transcode`], within these limits, which hold for both encodings.
pub fn transcode_within(bytes: &[u8], from: Encoding, to: Encoding, limits: &Limits) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    memory::reserve(&mut out, bytes.len())?;
    write(to, &EncodeOptions::within(*limits), &mut out, None, Decode { bytes, from, limits })?;
    Ok(out)
}

/// Sends one value into a sink of any type, and ends it with `finish`.
///
/// The sink stays inside its meter: moving it out would copy both.
trait Drive {
    fn drive<S: Sink>(self, sink: S, finish: impl FnOnce(&mut S) -> Result<()>) -> Result<()>;
}

struct Walk<'a, T: ?Sized> {
    value: &'a T,
    limits: Limits,
    keys: Keys,
}

impl<T: Source + ?Sized> Drive for Walk<'_, T> {
    fn drive<S: Sink>(self, sink: S, finish: impl FnOnce(&mut S) -> Result<()>) -> Result<()> {
        let mut meter = Meter::new(sink, self.limits, self.keys);
        self.value.walk(&mut meter)?;
        finish(meter.inner_mut())
    }
}

struct Decode<'a> {
    bytes: &'a [u8],
    from: Encoding,
    limits: &'a Limits,
}

impl Drive for Decode<'_> {
    fn drive<S: Sink>(self, mut sink: S, finish: impl FnOnce(&mut S) -> Result<()>) -> Result<()> {
        // No message is transcoded while it is sent or received, so one decoder suffices.
        decode_into(self.bytes, self.from, self.limits, &mut sink as &mut dyn Sink)?;
        finish(&mut sink)
    }
}

/// Appends the value of `from` in this encoding. After an error `out` is unchanged.
fn write<D: Drive>(
    encoding: Encoding,
    options: &EncodeOptions,
    out: &mut Vec<u8>,
    placer: Option<&mut dyn Placer>,
    from: D,
) -> Result<()> {
    let start = out.len();
    // A reborrow: the compiler does not shorten the lifetime inside an option.
    let placer = placer.map(|placer| placer as &mut dyn Placer);
    // The closure constructs each output inside its encoder: a move would load fields that are still in the processor's
    // store buffer.
    let output = || Output::with_placer(&mut *out, &options.limits, placer);
    let done = match encoding {
        Encoding::Raw => from.drive(raw::Encoder::new(output().spilling()), |e| e.finish()),
        Encoding::Json => {
            from.drive(Escape::new(json::Encoder::new(output().spilling())), |e| e.plain_mut().finish())
        }
        Encoding::Cbor => from.drive(cbor::Encoder::new(output().spilling(), options.align), |e| e.finish()),
        Encoding::Bson => {
            from.drive(Escape::new(bson::Encoder::new(output().spilling())), |e| e.plain_mut().finish())
        }
        Encoding::Smile => {
            from.drive(Escape::new(smile::Encoder::new(output().spilling())), |e| e.plain_mut().finish())
        }
    };
    if done.is_err() {
        out.truncate(start);
    }
    done
}

fn bounded(limits: &Limits) -> Limits {
    Limits { depth: limits.depth.min(MAX_DEPTH), ..*limits }
}
