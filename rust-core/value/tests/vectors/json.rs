//! JSONTestSuite: texts that RFC 8259 accepts are accepted, texts that it refuses are refused.

use base64::Engine;
use linkspan::codec::{decode, encode};
use linkspan::{Encoding, ErrorKind};

use crate::vectors::files::{cases, text};

#[test]
fn json_test_suite() {
    for case in cases("json/jsontestsuite.json") {
        let name = text(&case, "name");
        let bytes = base64::engine::general_purpose::STANDARD.decode(text(&case, "bytes_base64")).unwrap();
        let found = decode(&bytes, Encoding::Json);
        match (text(&case, "expect"), &found) {
            ("accept", Err(e))
                if name == "y_object_duplicated_key.json"
                    || name == "y_object_duplicated_key_and_value.json" =>
            {
                // RFC 8259 requires different keys only with SHOULD; here they must differ.
                assert!(e.text().contains("twice"), "{name}: {e:?}");
            }
            ("accept", found) => {
                let value = found.as_ref().unwrap_or_else(|e| panic!("{name}: {e:?}"));
                assert_eq!(
                    decode(&encode(value, Encoding::Json).unwrap(), Encoding::Json).unwrap(),
                    *value,
                    "{name}"
                );
            }
            ("reject", found) => {
                let error = found.as_ref().expect_err(name);
                assert!(
                    matches!(error.kind(), ErrorKind::Malformed | ErrorKind::TooLarge),
                    "{name}: {error:?}"
                );
                assert!(
                    error.offset().is_some_and(|offset| offset <= bytes.len() as u64),
                    "{name}: {error:?}"
                );
            }
            ("either", found) => {
                if let Err(error) = found {
                    assert!(
                        error.offset().is_some_and(|offset| offset <= bytes.len() as u64),
                        "{name}: {error:?}"
                    );
                }
            }
            (other, _) => panic!("{name}: {other}"),
        }
    }
}
