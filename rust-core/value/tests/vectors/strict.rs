//! Properties of any bytes, for the tests here, the replay of seeds and the fuzzing targets.

use linkspan::codec::{decode, decode_into, encode, transcode};
use linkspan::value::{NdArrayRef, Sink, ValueBuilder};
use linkspan::{BigInt, Decimal, Encoding, ErrorKind, Limits, Result, Timestamp};

#[derive(Default)]
struct Strict {
    /// For each open container: the remaining items, whether it is a map, whether a key awaits its value.
    open: Vec<(usize, bool, bool)>,
    done: bool,
}

impl Strict {
    fn value(&mut self) -> Result<()> {
        match self.open.last_mut() {
            Some((_, true, key)) => assert!(std::mem::take(key), "a value without a key"),
            Some((left, false, _)) => *left = left.checked_sub(1).expect("more items than were promised"),
            None => assert!(!std::mem::replace(&mut self.done, true), "a second value"),
        }
        Ok(())
    }

    fn end(&mut self, map: bool) -> Result<()> {
        assert_eq!(self.open.pop(), Some((0, map, false)), "an end too early or of something else");
        Ok(())
    }
}

impl Sink for Strict {
    fn null(&mut self) -> Result<()> {
        self.value()
    }
    fn bool(&mut self, _: bool) -> Result<()> {
        self.value()
    }
    fn int(&mut self, _: i64) -> Result<()> {
        self.value()
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        assert!(value > i64::MAX as u64);
        self.value()
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        assert!(value.magnitude().len() >= 8 && value.magnitude().len() <= BigInt::LIMIT);
        self.value()
    }
    fn float(&mut self, _: f64) -> Result<()> {
        self.value()
    }
    fn text(&mut self, _: &str) -> Result<()> {
        self.value()
    }
    fn bytes(&mut self, _: &[u8]) -> Result<()> {
        self.value()
    }
    fn timestamp(&mut self, _: Timestamp) -> Result<()> {
        self.value()
    }
    fn uuid(&mut self, _: [u8; 16]) -> Result<()> {
        self.value()
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        value.parts();
        self.value()
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        NdArrayRef::new(value.dtype, value.order, value.shape, value.data).expect("shape and bytes agree");
        self.value()
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.value()?;
        self.open.push((len, false, false));
        Ok(())
    }
    fn end_array(&mut self) -> Result<()> {
        self.end(false)
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.value()?;
        self.open.push((len, true, false));
        Ok(())
    }
    fn key(&mut self, _: &str) -> Result<()> {
        let Some((left, true, key)) = self.open.last_mut() else { panic!("a key outside a map") };
        *left = left.checked_sub(1).expect("more entries than were promised");
        assert!(!std::mem::replace(key, true), "a key behind a key");
        Ok(())
    }
    fn end_map(&mut self) -> Result<()> {
        self.end(true)
    }
}

/// Decodes the bytes: a value that every encoding carries, or an error with an offset inside the bytes.
pub fn check(bytes: &[u8], encoding: Encoding) {
    match decode_into(bytes, encoding, &Limits::default(), Strict::default()) {
        Ok(sink) => {
            assert!(sink.done && sink.open.is_empty());
            let value = decode(bytes, encoding).unwrap();
            // Short texts and maps have shortcuts to a tree: events must give an equal tree.
            let built = decode_into(bytes, encoding, &Limits::default(), ValueBuilder::new()).unwrap();
            assert_eq!(built.finish().unwrap(), value, "{} from {bytes:02x?}", encoding.name());
            for to in &Encoding::ALL[1..] {
                let again = encode(&value, *to).unwrap();
                assert_eq!(decode(&again, *to).unwrap(), value, "{} from {bytes:02x?}", to.name());
            }
        }
        Err(error) => {
            assert!(decode(bytes, encoding).is_err(), "{} {bytes:02x?}: {error:?}", encoding.name());
            let inside = error.offset().is_some_and(|offset| offset <= bytes.len() as u64);
            assert!(inside, "{} {bytes:02x?}: {error:?}", encoding.name());
            let kinds =
                [ErrorKind::Malformed, ErrorKind::Unsupported, ErrorKind::TooLarge, ErrorKind::OutOfRange];
            assert!(kinds.contains(&error.kind()), "{} {bytes:02x?}: {error:?}", encoding.name());
        }
    }
}

/// Transcodes the bytes after the first, which selects the encodings: the value stays equal.
#[allow(dead_code, reason = "not every test that holds bytes to this file's rules transcodes")]
pub fn transcodes(bytes: &[u8]) {
    let [which, bytes @ ..] = bytes else { return };
    let encoding = |number: u8| Encoding::ALL[1 + usize::from(number) % 4];
    let (from, to) = (encoding(*which), encoding(which >> 2));
    let value = decode(bytes, from);
    match (transcode(bytes, from, to), value) {
        (Ok(written), Ok(value)) => {
            assert_eq!(
                decode(&written, to).unwrap(),
                value,
                "{} from {} {bytes:02x?}",
                to.name(),
                from.name()
            );
        }
        (Err(_), Err(_)) => {}
        // The output may exceed the limit of a message.
        (Err(error), Ok(_)) => assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}"),
        (Ok(_), Err(error)) => panic!("{bytes:02x?} was transcoded and not decoded: {error:?}"),
    }
}
