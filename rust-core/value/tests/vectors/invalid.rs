//! Refused bytes: the kind, the offset, the path, and the reason.
//!
//! The module documentation of `codec::input` has the rule for offsets.

use linkspan::Encoding::{self, Bson, Cbor, Json, Smile};
use linkspan::ErrorKind::{self, Malformed, OutOfRange, TooLarge, Unsupported};

use crate::vectors::files::unhex;

pub struct Invalid {
    pub encoding: Encoding,
    pub bytes: Vec<u8>,
    pub kind: ErrorKind,
    pub offset: u64,
    pub path: Option<&'static str>,
    pub why: &'static str,
}

pub fn all() -> Vec<Invalid> {
    let mut all = Vec::new();
    let mut add = |encoding, bytes, kind, offset, path, why| {
        all.push(Invalid {
            encoding,
            bytes,
            kind,
            offset,
            path: Some(path).filter(|path: &&str| !path.is_empty()),
            why,
        });
    };
    for (text, kind, offset, path, why) in json() {
        add(Json, text.to_vec(), kind, offset, path, why);
    }
    let deep = [b"[".repeat(65), b"]".repeat(65)].concat();
    add(Json, deep, TooLarge, 64, DEEP, "65 levels");
    let deep = [b"{\"k\":".repeat(65), b"1".to_vec(), b"}".repeat(65)].concat();
    add(Json, deep, TooLarge, 64 * 5 + 1, DEEP_KEYS, "65 levels of maps of one entry");
    for (hex, kind, offset, path, why) in cbor() {
        add(Cbor, unhex(hex), kind, offset, path, why);
    }
    let deep = [vec![0x81; 65], vec![0x00]].concat();
    add(Cbor, deep, TooLarge, 64, DEEP, "65 levels");
    let deep = [[0xa1, 0x61, b'k'].repeat(65), vec![0x00]].concat();
    add(Cbor, deep, TooLarge, 64 * 3, &DEEP_KEYS[2..], "65 levels of maps of one entry");
    add(Cbor, vec![0x9f; 70], TooLarge, 64, DEEP, "65 levels, indefinite, without end");
    for (hex, kind, offset, path, why) in bson() {
        add(Bson, unhex(hex), kind, offset, path, why);
    }
    for (hex, kind, offset, path, why) in smile() {
        add(Smile, unhex(hex), kind, offset, path, why);
    }
    all
}

const DEEP: &str = "0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0";

const DEEP_KEYS: &str = "k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k/k";

type Row<T> = (T, ErrorKind, u64, &'static str, &'static str);

fn json() -> Vec<Row<&'static [u8]>> {
    vec![
        (b"", Malformed, 0, "", "nothing"),
        (b" ", Malformed, 1, "", "nothing but white space"),
        (b"\xef\xbb\xbf1", Malformed, 0, "", "a byte order mark"),
        (b"1 2", Malformed, 2, "", "a second value"),
        (b"01", Malformed, 1, "", "a leading zero"),
        (b"1.", Malformed, 2, "", "no digit behind the point"),
        (b"1.x", Malformed, 2, "", "no digit behind the point"),
        (b"-", Malformed, 1, "", "a sign alone"),
        (b"+1", Malformed, 0, "", "a plus sign"),
        (b"1e", Malformed, 2, "", "no exponent"),
        (b"NaN", Malformed, 0, "", "a word that JSON does not have"),
        (b"nul", Malformed, 3, "", "a word that ends early"),
        (b"nulL", Malformed, 3, "", "a word misspelt"),
        (b"[1,]", Malformed, 3, "1", "a comma before the end"),
        (b"[1 2]", Malformed, 3, "", "no comma"),
        (b"[1", Malformed, 2, "", "an array that does not end"),
        (b"[1}", Malformed, 2, "", "an array that ends as an object"),
        (b"{\"a\" 1}", Malformed, 5, "", "no colon"),
        (b"{\"a\":1,}", Malformed, 7, "", "a comma before the end"),
        (b"{a:1}", Malformed, 1, "", "a key without quotes"),
        (b"{\"a\":1,\"b\":2,\"a\":3}", Malformed, 13, "a", "a key twice"),
        (b"{\"x\":{\"a\":1,\"\\u0061\":2}}", Malformed, 12, "x/a", "a key twice, once escaped"),
        (b"\"abc", Malformed, 4, "", "text that does not end"),
        (b"\"a\nb\"", Malformed, 2, "", "a control character"),
        (b"\"\\x\"", Malformed, 2, "", "no such escape"),
        (b"\"\\u12g4\"", Malformed, 5, "", "no hex digit"),
        (b"\"a\\ud800\"", Malformed, 2, "", "the first half of a pair alone"),
        (b"\"\\ud800\\u0041\"", Malformed, 1, "", "the first half of a pair with something else"),
        (b"\"\\udc00\"", Malformed, 1, "", "the second half of a pair alone"),
        (b"\"a\xffb\"", Malformed, 2, "", "text that is not UTF-8"),
        (b"\"a\xed\xa0\x80\"", Malformed, 2, "", "a surrogate in UTF-8"),
        (b"\"\xc0\x80\"", Malformed, 1, "", "an overlong form in UTF-8"),
        (b"[1,x,\"\xff\"]", Malformed, 3, "1", "what is wrong before bad UTF-8 comes first"),
        (b"[1e400]", OutOfRange, 1, "0", "a float beyond the largest"),
        (b"{\"a\":[0,{\"$bytes\":\"!\"}]}", Malformed, 18, "a/1/$bytes", "what is not base64"),
        (b"{\"$bytes\":\"AA\"}", Malformed, 10, "$bytes", "base64 without its padding"),
        (b"{\"$bytes\":5}", Malformed, 10, "$bytes", "an escape that holds no text"),
        (b"{\"$int\":\"1x\"}", Malformed, 8, "$int", "what is not an integer"),
        (
            b"{\"$float\":\"1.5\"}",
            Malformed,
            10,
            "$float",
            "a float has no need of this escape, and its bits are 16 hex digits",
        ),
        (b"{\"$time\":\"1970-02-30T00:00:00Z\"}", Malformed, 9, "$time", "a day that is not"),
        (
            b"{\"$time\":\"2263-01-01T00:00:00Z\"}",
            OutOfRange,
            9,
            "$time",
            "a time beyond 64 bits of nanoseconds",
        ),
        (b"{\"$uuid\":\"6ba7b8109dad11d180b400c04fd430c8\"}", Malformed, 9, "$uuid", "a UUID without dashes"),
        (b"{\"$decimal\":\"1,5\"}", Malformed, 12, "$decimal", "what is no decimal number"),
        (b"[{\"$foo\":1}]", Malformed, 2, "0/$foo", "an escape that is none"),
        (
            br#"{"$ndarray":{"dtype":"u8","shape":[1099511627776,1099511627776,0],"order":"row","data":""}}"#,
            TooLarge,
            87,
            "$ndarray/data",
            "an empty shape whose other lengths overflow",
        ),
        (b"{\"$value\":1}", Malformed, 1, "$value", "an escape that is BSON's"),
        (b"{\"$map\":5}", Malformed, 8, "$map", "a wrapped map that is none"),
        (b"{\"$map\":[[1,2]]}", Malformed, 10, "$map/0/0", "a key that is not text"),
        (b"{\"$map\":[[\"a\"]]}", Malformed, 9, "$map/0", "a pair of one"),
        (b"{\"$map\":[[\"a\",1],[\"a\",2]]}", Malformed, 18, "$map/1/0", "a key twice, in pairs"),
        (
            b"{\"$ndarray\":{\"dtype\":\"f99\",\"shape\":[],\"order\":\"row\",\"data\":\"\"}}",
            Malformed,
            21,
            "$ndarray/dtype",
            "no such type",
        ),
        (
            b"{\"$ndarray\":{\"dtype\":\"u8\",\"shape\":[3],\"order\":\"row\",\"data\":\"AQI=\"}}",
            Malformed,
            59,
            "$ndarray/data",
            "a shape that asks for more",
        ),
        (
            b"{\"$ndarray\":{\"dtype\":\"u8\",\"shape\":[-1],\"order\":\"row\",\"data\":\"\"}}",
            Malformed,
            35,
            "$ndarray/shape/0",
            "a length below zero",
        ),
        (b"{\"$ndarray\":{\"dtype\":\"u8\",\"shape\":[2]}}", Malformed, 12, "$ndarray", "no data"),
    ]
}

fn cbor() -> Vec<Row<&'static str>> {
    vec![
        ("", Malformed, 0, "", "nothing"),
        ("0000", Malformed, 1, "", "a second value"),
        ("1901", Malformed, 2, "", "a head that is cut off"),
        ("1c", Malformed, 0, "", "a reserved head"),
        ("82011c", Malformed, 2, "1", "a reserved head, inside"),
        ("1f", Malformed, 0, "", "an indefinite integer"),
        ("ff", Malformed, 0, "", "a break alone"),
        ("8201ff", Malformed, 2, "1", "a break in a definite array"),
        ("43ffff", Malformed, 0, "", "bytes that are claimed and not there"),
        ("5bffffffffffffffff00", Malformed, 0, "", "2^64-1 bytes claimed"),
        ("816361c328", Malformed, 3, "0", "text that is not UTF-8"),
        ("7f61c361a9ff", Malformed, 2, "", "a character in two chunks"),
        ("7f4161ff", Malformed, 1, "", "a chunk of another kind"),
        ("5f5fffff", Malformed, 1, "", "a chunk that is indefinite"),
        ("9f01", Malformed, 2, "", "an indefinite array that does not end"),
        ("bf616101", Malformed, 4, "", "an indefinite map that does not end"),
        ("bf6161ff", Malformed, 3, "a", "a key without its value"),
        ("5f4101", Malformed, 3, "", "indefinite bytes that do not end"),
        ("9b00000001000000000000", Malformed, 0, "", "more items than bytes"),
        ("a201020304", Unsupported, 1, "", "a key that is not text"),
        ("a2616101616102", Malformed, 4, "a", "a key twice"),
        ("a16178a2616101616102", Malformed, 7, "x/a", "a key twice, deeper"),
        ("f7", Unsupported, 0, "", "undefined"),
        ("81e0", Unsupported, 1, "0", "a simple value without a meaning"),
        ("f8ff", Unsupported, 0, "", "a simple value without a meaning"),
        ("f801", Malformed, 0, "", "a simple value in two bytes that fits one"),
        ("d86001", Unsupported, 0, "", "a tag that has no form here"),
        ("c06161", Malformed, 1, "", "tag 0 with what is no time"),
        ("c001", Malformed, 1, "", "tag 0 without text"),
        ("c1f97e00", Malformed, 1, "", "tag 1 with NaN"),
        ("c1fb7fe0000000000000", OutOfRange, 1, "", "tag 1 far beyond"),
        ("c101ff", Malformed, 2, "", "something behind a tagged value"),
        ("c201", Malformed, 1, "", "a big integer that is no bytes"),
        ("c24401", Malformed, 1, "", "a big integer cut off"),
        ("c48101", Malformed, 1, "", "a decimal number of one part"),
        ("c482f9000001", Malformed, 2, "", "a decimal number whose exponent is not an integer"),
        ("c4821b000000ffffffffff01", OutOfRange, 2, "", "a decimal number whose exponent is too large"),
        ("c4821a7fffffff0f", OutOfRange, 0, "", "a decimal number that is too large"),
        ("c582211904d2", Unsupported, 0, "", "a bigfloat"),
        ("d81b816161", Unsupported, 0, "", "an object of another language"),
        ("d8254401020304", Malformed, 2, "", "a UUID of four bytes"),
        ("d903e9a0", Malformed, 3, "", "a time without seconds"),
        ("d903e9a201002303", Unsupported, 6, "", "a time in another unit"),
        ("d903e9a201002822", Malformed, 3, "", "nanoseconds below zero"),
        ("d903e9a20100281a3b9aca00", Malformed, 3, "", "a whole second of nanoseconds"),
        ("d903e9a3010022012801", Malformed, 8, "", "two fractions of a second"),
        ("d903e9a1011b7fffffffffffffff", OutOfRange, 3, "", "a time beyond"),
        ("d84c40", Unsupported, 0, "", "tag 76, which is reserved"),
        ("d85750000102030405060708090a0b0c0d0e0f", Unsupported, 0, "", "floats of 128 bits"),
        ("d84503", Malformed, 2, "", "a typed array that is no bytes"),
        ("d84543010203", Malformed, 0, "", "a typed array that ends within an element"),
        ("d82882820203d8404401020304", Malformed, 0, "", "a shape that asks for more"),
        ("d828828120d8404101", Malformed, 4, "", "a length below zero"),
        ("d828818101", Malformed, 2, "", "an array without its elements"),
        ("d828829001010101010101010101010101010101d8404101", TooLarge, 3, "", "16 dimensions"),
        ("d82882821bffffffffffffffff02d84640", TooLarge, 0, "", "a shape beyond 64 bits"),
        (
            "d82882831b0000010000000000001b0000010000000000d84040",
            TooLarge,
            0,
            "",
            "an empty shape whose other lengths overflow",
        ),
        ("d8288281028201", Malformed, 5, "", "elements that are not there"),
        ("d8288281028201f5", Unsupported, 7, "", "numbers and bools mixed"),
        ("d828828102816161", Unsupported, 6, "", "text among numbers"),
        ("d828828102821bffffffffffffffff01", Unsupported, 6, "", "a plain integer beyond 63 bits"),
        ("d9a7f9d840420102", Unsupported, 3, "", "complex numbers of integers"),
        ("d9a7f9d8554400000000", Malformed, 0, "", "half a complex number"),
    ]
}

fn bson() -> Vec<Row<&'static str>> {
    vec![
        ("", Malformed, 0, "", "nothing"),
        ("0500", Malformed, 2, "", "a length that is cut off"),
        ("0400000000", Malformed, 0, "", "a length below the least"),
        ("ffffffff00", Malformed, 0, "", "a length below zero"),
        ("0600000000", Malformed, 0, "", "a length past the end"),
        ("050000000000", Malformed, 5, "", "something behind the document"),
        ("060000000000", Malformed, 4, "", "a document that ends before its length says"),
        ("0500000001", Malformed, 5, "", "a document without its end"),
        ("080000000a6100", Malformed, 0, "", "a length past the end, again"),
        ("07000000156100", Malformed, 4, "a", "no such type"),
        ("0b0000000a61000a610000", Malformed, 7, "a", "a key twice"),
        ("090000000861000200", Malformed, 7, "a", "a boolean that is 2"),
        ("0c0000000261000000000000", Malformed, 7, "a", "text of length zero, without its NUL"),
        ("0e00000002610002000000787900", Malformed, 12, "a", "text without its NUL"),
        ("0e00000002610002000000ff0000", Malformed, 11, "a", "text that is not UTF-8"),
        ("0e00000002610005000000780000", Malformed, 7, "a", "text past the end"),
        ("080000000aff0000", Malformed, 5, "", "a key that is not UTF-8"),
        ("0d000000056100ffffffff0000", Malformed, 7, "a", "binary of length below zero"),
        ("0e0000000561000100000004aa00", Malformed, 4, "a", "a UUID of one byte"),
        ("0e0000000561000100000005aa00", Unsupported, 4, "a", "binary of another subtype"),
        ("14000000076100000102030405060708090a0b00", Unsupported, 4, "a", "an ObjectId"),
        ("0800000006610000", Unsupported, 4, "a", "undefined"),
        ("0a0000000b6100000000", Unsupported, 4, "a", "a regular expression"),
        ("08000000ff610000", Unsupported, 4, "a", "the min key"),
        ("10000000096100000000000000008000", OutOfRange, 4, "a", "a datetime beyond"),
        ("0d000000036100070000000000", Malformed, 7, "a", "an inner document longer than the outer"),
        ("0d000000036100040000000000", Malformed, 7, "a", "an inner length below the least"),
        ("0f0000000224666f6f00010000000000", Malformed, 4, "$foo", "an escape that is none"),
        (
            "6900000003246e646172726179005a0000000264747970650003000000753800047368617065002600000012300000000000000000001231000000000000010000123200000000000001000000026f726465720004000000726f770005646174610000000000000000",
            TooLarge,
            92,
            "$ndarray/data",
            "an empty shape whose other lengths overflow",
        ),
    ]
}

fn smile() -> Vec<Row<&'static str>> {
    vec![
        ("", Malformed, 0, "", "nothing"),
        ("3a290b01c2", Malformed, 2, "", "no header"),
        ("3a290a", Malformed, 3, "", "a header that is cut off"),
        ("3a290a11c2", Unsupported, 3, "", "another version"),
        ("3a290a01", Malformed, 4, "", "a header and nothing else"),
        ("3a290a01c2c2", Malformed, 5, "", "a second value"),
        ("3a290a01c2ffc2", Malformed, 6, "", "something behind the end marker"),
        ("3a290a0100", Malformed, 4, "", "a reserved token"),
        ("3a290a012c", Malformed, 4, "", "a reserved token"),
        ("3a290a01f8c2", Malformed, 6, "", "an array that does not end"),
        ("3a290a01f8c2fb", Malformed, 6, "", "an array that ends as an object"),
        ("3a290a01f9", Malformed, 4, "", "the end of an array alone"),
        ("3a290a01faf9", Malformed, 5, "", "an object that ends as an array"),
        ("3a290a01fa8061", Malformed, 7, "a", "a key without its value"),
        ("3a290a01fa8061fb", Malformed, 7, "a", "the end where a value is due"),
        ("3a290a01fa8061c28061c2fb", Malformed, 8, "a", "a key twice"),
        ("3a290a01fa8061c240c2fb", Malformed, 8, "a", "a key twice, as a reference"),
        ("3a290a01fa40c2fb", Malformed, 5, "", "a reference to no key"),
        ("3a290a00fa8061fa40c2fbfb", Malformed, 8, "a", "a reference to a key where none are shared"),
        ("3a290a01f8406101f9", Malformed, 7, "1", "a reference to a value where none are shared"),
        ("3a290a03f8406102f9", Malformed, 7, "1", "a reference to no value"),
        ("3a290a014561", Malformed, 4, "", "text past the end"),
        ("3a290a0141ff61", Malformed, 5, "", "ASCII that is not"),
        ("3a290a018161c328", Malformed, 6, "", "text that is not UTF-8"),
        ("3a290a01e4616263", Malformed, 8, "", "long text that does not end"),
        ("3a290a01e461fffc", Malformed, 6, "", "long text that is not UTF-8"),
        ("3a290a0124", Malformed, 5, "", "an integer that is cut off"),
        ("3a290a0124c0", Malformed, 5, "", "an integer whose last byte cannot be one"),
        ("3a290a01247f7f7f7f7fbf", Malformed, 4, "", "more than 32 bits as 32"),
        ("3a290a01257f7f7f7f7f7f7f7f7f7fbf", Malformed, 5, "", "more than 64 bits"),
        ("3a290a012900000000", Malformed, 9, "", "a float that is cut off"),
        ("3a290a012900008000000000000000", Malformed, 7, "", "a byte of a float with its high bit"),
        ("3a290a01e8847f7f", Malformed, 4, "", "7-bit binary past the end"),
        ("3a290a01e8817f81", Malformed, 7, "", "a byte of 7-bit binary with its high bit"),
        ("3a290a01fd8101", Malformed, 4, "", "raw binary where there is none"),
        ("3a290a05fd8401", Malformed, 4, "", "raw binary past the end"),
        ("3a290a01fa8324666f6fc2fb", Malformed, 5, "$foo", "an escape that is none"),
        (
            "3a290a05fa87246e646172726179fa846474797065417538847368617065f825010000000000802501000000000080c0f9846f7264657242726f778364617461fd80fbfb",
            TooLarge,
            64,
            "$ndarray/data",
            "an empty shape whose other lengths overflow",
        ),
    ]
}
