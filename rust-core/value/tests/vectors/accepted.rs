//! Bytes of other programs with the meaning of ours.

use linkspan::Encoding::{self, Bson, Cbor, Json, Smile};

use crate::vectors::files::unhex;

/// Encoding, bytes, the value in Linkspan's JSON, the reason.
pub fn all() -> Vec<(Encoding, Vec<u8>, &'static str, &'static str)> {
    let texts = [
        (" \t\r\n[ 1 , 2 ] ", "[1,2]", "white space"),
        (r#""\u0041\/\ud83d\ude00\b\f\n\r\t\"\\""#, r#""A/😀\b\f\n\r\t\"\\""#, "every escape of a string"),
        ("1E2", "100.0", "a capital exponent makes a float"),
        ("1e-2", "0.01", "an exponent without a point"),
        ("-0", "0", "an integer has no minus zero"),
        ("-0.0", "-0.0", "a float has"),
        ("1.0000000000000000000000000000001", "1.0", "more digits than a float holds"),
        ("1e-400", "0.0", "a float below the least is zero"),
        ("9223372036854775808", "9223372036854775808", "an integer above 63 bits"),
        ("18446744073709551616", r#"{"$int":"18446744073709551616"}"#, "a plain integer beyond 64 bits"),
        (r#"{"$int":"5"}"#, "5", "an escaped integer that needs none"),
        (r#"{"$float":"0x3ff8000000000000"}"#, "1.5", "an escaped float that needs none"),
        (
            r#"{"$time":"2009-08-24T04:46:40.25+02:00"}"#,
            r#"{"$time":"2009-08-24T02:46:40.250Z"}"#,
            "a time with an offset",
        ),
        (
            r#"{"$uuid":"6BA7B810-9DAD-11D1-80B4-00C04FD430C8"}"#,
            r#"{"$uuid":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}"#,
            "capital hex digits",
        ),
        (r#"{"$decimal":"+1.5e3"}"#, r#"{"$decimal":"1.5E+3"}"#, "a decimal number written otherwise"),
        (r#"{"$map":{}}"#, "{}", "a wrapped map that needs none"),
        (r#"{"$map":[["a",1],["$b",[2]]]}"#, r#"{"a":1,"$b":[2]}"#, "a map as a list of pairs"),
        (
            r#"{"$ndarray":{"data":"AQI=","shape":[2],"dtype":"u8"}}"#,
            r#"{"$ndarray":{"dtype":"u8","shape":[2],"order":"row","data":"AQI="}}"#,
            "fields in another order, and row-major when nothing is said",
        ),
    ];
    let hexes = [
        (Cbor, "1b0000000000000005", "5", "an integer in a head that is too long"),
        (Cbor, "9f0102ff", "[1,2]", "an indefinite array"),
        (Cbor, "bf616101616202ff", r#"{"a":1,"b":2}"#, "an indefinite map"),
        (
            Cbor,
            "9f9f01ffbf61619f02ffff8203820405ff",
            r#"[[1],{"a":[2]},[3,[4,5]]]"#,
            "indefinite ones and definite ones in each other",
        ),
        (Cbor, "7f62c3a9616bff", r#""ék""#, "indefinite text"),
        (Cbor, "5f4101420203ff", r#"{"$bytes":"AQID"}"#, "indefinite bytes"),
        (Cbor, "5fff", r#"{"$bytes":""}"#, "indefinite bytes without chunks"),
        (Cbor, "f93e00", "1.5", "a float of 16 bits"),
        (Cbor, "fa3fc00000", "1.5", "a float of 32 bits"),
        (Cbor, "f97e01", r#"{"$float":"0x7ff8040000000000"}"#, "a NaN of 16 bits keeps its payload"),
        (Cbor, "fa7f800001", r#"{"$float":"0x7ff0000020000000"}"#, "a signalling NaN of 32 bits stays one"),
        (Cbor, "c2420005", "5", "a big integer that is small, with a leading zero"),
        (Cbor, "c35f41ff4101ff", "-65282", "a negative big integer that is small, in chunks"),
        (
            Cbor,
            "c074323030392d30382d32345430323a34363a34305a",
            r#"{"$time":"2009-08-24T02:46:40Z"}"#,
            "tag 0",
        ),
        (Cbor, "c11a4a91fe10", r#"{"$time":"2009-08-24T02:42:24Z"}"#, "tag 1 with an integer"),
        (Cbor, "c1fb41d452d9e2200000", r#"{"$time":"2013-03-21T20:03:20.500Z"}"#, "tag 1 with a float"),
        (Cbor, "d903e9a10100", r#"{"$time":"1970-01-01T00:00:00Z"}"#, "tag 1001 with seconds alone"),
        (
            Cbor,
            "d903e9a222050105",
            r#"{"$time":"1970-01-01T00:00:05.005Z"}"#,
            "tag 1001 with milliseconds, first",
        ),
        (
            Cbor,
            "d903e9bf01052505ff",
            r#"{"$time":"1970-01-01T00:00:05.000005Z"}"#,
            "tag 1001 with microseconds, indefinite",
        ),
        (Cbor, "d9d9f7d9d9f701", "1", "the tag that says that this is CBOR, twice"),
        (Cbor, "c482211904d2", r#"{"$decimal":"12.34"}"#, "tag 4"),
        (
            Cbor,
            "c48201c249010000000000000000",
            r#"{"$decimal":"1.8446744073709551616E+20"}"#,
            "tag 4 with a big coefficient",
        ),
        (
            Cbor,
            "d8414400010203",
            r#"{"$ndarray":{"dtype":"u16","shape":[2],"order":"row","data":"AQADAg=="}}"#,
            "a big-endian array alone",
        ),
        (
            Cbor,
            "d844420102",
            r#"{"$ndarray":{"dtype":"u8","shape":[2],"order":"row","data":"AQI="}}"#,
            "clamped bytes",
        ),
        (
            Cbor,
            "d85442003c",
            r#"{"$ndarray":{"dtype":"f32","shape":[1],"order":"row","data":"AACAPw=="}}"#,
            "floats of 16 bits are widened",
        ),
        (
            Cbor,
            "d82882820201820120",
            r#"{"$ndarray":{"dtype":"i64","shape":[2,1],"order":"row","data":"AQAAAAAAAAD//////////w=="}}"#,
            "a plain array of integers with a shape",
        ),
        (
            Cbor,
            "d9041082810282f93c00fb3ff8000000000000",
            r#"{"$ndarray":{"dtype":"f64","shape":[2],"order":"row","data":"AAAAAAAA8D8AAAAAAAD4Pw=="}}"#,
            "a plain array of floats with a shape",
        ),
        (
            Cbor,
            "d82982f5f4",
            r#"{"$ndarray":{"dtype":"bool","shape":[2],"order":"row","data":"AQA="}}"#,
            "a homogeneous array of bools alone",
        ),
        (
            Cbor,
            "d8289f9f02ffd8405f41014102ffff",
            r#"{"$ndarray":{"dtype":"u8","shape":[2],"order":"row","data":"AQI="}}"#,
            "an array of indefinite parts",
        ),
        (Bson, "10000000126100050000000000000000", r#"{"a":5}"#, "a small integer in 64 bits"),
        (Bson, "10000000096100000000000000000000", r#"{"a":{"$time":"1970-01-01T00:00:00Z"}}"#, "a datetime"),
        (
            Bson,
            "140000000461000c0000001062000a0000000000",
            r#"{"a":[10]}"#,
            "an array whose key is no number",
        ),
        (Smile, "f8c2f9", "[1]", "no header"),
        (Smile, "3a290a01f8c2f9ff", "[1]", "an end marker"),
        (Smile, "3a290a012482", "1", "a small integer in the form for 32 bits"),
        (Smile, "3a290a012582", "1", "a small integer in the form for 64 bits"),
        (Smile, "3a290a0126810201", "5", "a small integer as BigInteger"),
        (Smile, "3a290a0128037e000000", "1.5", "a float of 32 bits"),
        (Smile, "3a290a012a84813e01", r#"{"$decimal":"1.25"}"#, "a BigDecimal"),
        (Smile, "3a290a01e8837f7f5f05", r#"{"$bytes":"//79"}"#, "7-bit binary"),
        (Smile, "3a290a03f8417879f841797a0102f9f9", r#"["xy",["yz","xy","yz"]]"#, "shared values"),
    ];
    let texts = texts.map(|(text, json, why)| (Json, text.as_bytes().to_vec(), json, why));
    texts.into_iter().chain(hexes.map(|(e, hex, json, why)| (e, unhex(hex), json, why))).collect()
}
