//! JSON for people: what `echo $message` prints, as PHP's own `json_encode` writes it, with text as it is.

use ext_php_rs::types::{ZendCallable, ZendClassObject, Zval};
use linkspan::{Error, ErrorKind, Result};

use crate::call::call_php;
use crate::finite::without_special_floats;
use crate::ndarray::NdArray;
use crate::room::{Size, within_limit};
use crate::scalars::Text;
use crate::zend;

/// The JSON of a value. What has no form in JSON is null in it: bytes that are no text, NAN and INF.
pub fn printed(value: &Zval) -> Result<Text> {
    with_room_for_text(|| {
        // JSON_PARTIAL_OUTPUT_ON_ERROR makes null of bytes that are no text, and 0 of NAN and INF.
        let json = encoded(value)?;
        let is_whole = zend::call_function("json_last_error").is_some_and(|code| code.long() == Some(0));
        if is_whole { Ok(json) } else { encoded(&finite(value)) }
    })?
}

/// Makes what JSON shows of a message with the room that memory_limit leaves.
pub fn with_room_for_text<T>(make: impl FnOnce() -> T) -> Result<T> {
    let refused = |_, left| {
        format!(
            "JSON of the message takes more than the {left} bytes that memory_limit leaves: raise it, or take a part of the message"
        )
    };
    within_limit(Size::Unknown, || 0, refused, make)
}

fn encoded(value: &Zval) -> Result<Text> {
    // JSON_UNESCAPED_SLASHES, JSON_UNESCAPED_UNICODE, JSON_PARTIAL_OUTPUT_ON_ERROR. Numbers are as without flags.
    const FLAGS: i64 = 64 | 256 | 512;
    let encoded = call_php(|| {
        ZendCallable::try_from_name("json_encode").and_then(|f| f.try_call(vec![value, &FLAGS]))
    })?
    .map_err(|e| Error::new(ErrorKind::Internal, format!("PHP could not read the value: {e}")))?;
    Ok(Text::of(encoded.str().unwrap_or("null")))
}

/// A value of a message with null in the place of each NAN and INF; arrays of numbers as lists.
pub fn finite(value: &Zval) -> Zval {
    without_special_floats(value, &|object| {
        let array = ZendClassObject::<NdArray>::from_zend_obj(object)?;
        array.to_array().ok().map(|items| without_special_floats(&items, &|_| None))
    })
}
