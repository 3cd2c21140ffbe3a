//! Encodings by number and by name.

use std::ffi::{CStr, c_char};
use std::ptr;

use linkspan::{Encoding, Error, ErrorKind, Result};

use crate::argument::{c_text, make, place};
use crate::status::linkspan_status;

/// The encoding of a message's body.
pub type linkspan_encoding = i32;
/// Unchanged bytes: the value is one block of bytes.
pub const LINKSPAN_RAW: linkspan_encoding = 0;
/// JSON, RFC 8259.
pub const LINKSPAN_JSON: linkspan_encoding = 1;
/// CBOR, RFC 8949, with RFC 8746 for arrays: the default.
pub const LINKSPAN_CBOR: linkspan_encoding = 2;
/// BSON 1.1.
pub const LINKSPAN_BSON: linkspan_encoding = 3;
/// Smile 1.0.6.
pub const LINKSPAN_SMILE: linkspan_encoding = 4;

/// The names in the order of the numbers; a test compares them with the core's.
const NAMES: [&CStr; 5] = [c"raw", c"json", c"cbor", c"bson", c"smile"];

pub(crate) fn encoding(number: linkspan_encoding) -> Result<Encoding> {
    u8::try_from(number).ok().and_then(Encoding::from_number).ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!("no encoding has the number {number}; give one of the named encodings"),
        )
    })
}

/// Returns the name of an encoding, such as `"cbor"`; NULL for an unknown number.
///
/// It lives as long as the program.
#[unsafe(no_mangle)]
pub extern "C" fn linkspan_encoding_name(encoding: linkspan_encoding) -> *const c_char {
    let name = usize::try_from(encoding).ok().and_then(|n| NAMES.get(n));
    name.map_or(ptr::null(), |name| name.as_ptr())
}

/// Gets the encoding of a name; `Unsupported` for an unknown name.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_encoding_from_name(
    name: *const c_char,
    encoding: *mut linkspan_encoding,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { make(place!(encoding), || Ok(Encoding::from_name(c_text(name, "name")?)? as linkspan_encoding)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_the_core() {
        let core = Encoding::ALL.iter().map(|e| e.name());
        assert!(core.eq(NAMES.iter().map(|name| name.to_str().unwrap())));
    }
}
