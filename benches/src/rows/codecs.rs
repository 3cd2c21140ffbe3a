//! The codecs without messages, compared with the codecs that programs use most.

use super::row::{Row, own, peer, python};

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (value, sample) in [
        ("map of 10 fields", "flat"),
        ("map with 3 maps", "nested"),
        ("array of 100 maps", "rows"),
        ("map of 3 texts of 2 kB", "texts"),
    ] {
        for (what, peer) in [("cbor", "ciborium"), ("json", "serde_json"), ("bson", "bson")] {
            for (verb, from) in [("encode", "to"), ("decode", "from")] {
                rows.push(
                    Row::new(
                        format!("Rust {value} {from} {what}"),
                        own(verb, &format!("ours {verb} {what} {sample}")),
                        own(peer, &format!("ours peer-{verb} {what} {sample}")),
                    )
                    .mark(1.0, 0.7),
                );
            }
        }
    }
    // The floor goes through a tree; a third of its time is the aim. A copy of the record is the lower bound.
    for (what, verb) in [("to", "encode"), ("from", "decode")] {
        rows.push(
            Row::new(
                format!("Rust record of 10 fields {what} cbor, generated code"),
                own("generated", &format!("ours record-{verb}")),
                own("Value", &format!("ours tree-{verb}")),
            )
            .mark(1.0 / 3.0, 0.2)
            .beside([own("copy", "ours record-copy")]),
        );
    }
    // In C, C++ and Fortran, the floor builds a message field by field, or looks up each field in one.
    for (language, program) in [("C", "ours-record"), ("C++", "ours-record-cpp"), ("Fortran", "ours-packed")]
    {
        for (what, verb) in [("to", "encode"), ("from", "decode")] {
            rows.push(
                Row::new(
                    format!("{language} record of 10 fields {what} cbor, generated code"),
                    peer("generated", &format!("{program} {verb}")),
                    peer("linkspan_message", &format!("{program} message-{verb}")),
                )
                .mark(1.0 / 3.0, 0.2),
            );
        }
    }
    // A copy of the struct is the lower bound for moving it.
    for (what, verb, floor) in [
        ("packed, generated code", "pack", "copy"),
        ("unpacked, a bool and an enum looked at, generated code", "unpack", "copy"),
        ("of numbers unpacked, generated code", "unpack-numbers", "copy-numbers"),
    ] {
        for (language, program) in [
            ("Rust", "ours"),
            ("C", "ours-record"),
            ("C++", "ours-record-cpp"),
            ("Fortran (-flto)", "ours-packed-lto"),
            ("Fortran", "ours-packed"),
        ] {
            let worker = |label: &str, what: &str| {
                let words = format!("{program} {what}");
                if program == "ours" { own(label, &words) } else { peer(label, &words) }
            };
            let row = Row::new(
                format!("{language} record of 10 fields {what}"),
                worker("generated", verb),
                worker("copy", floor),
            );
            // This row has no mark: without -flto, the call into another module is not inlined, while the floor makes
            // no call.
            rows.push(if language == "Fortran" { row } else { row.mark(1.5, 1.0) });
        }
    }
    // The floor decodes without the check, so the difference is its cost; the aim is 100 ns.
    rows.push(Row::new(
        "Rust map of 10 fields from cbor, checked against its schema",
        own("checked", "ours checked cbor"),
        own("decode", "ours decode cbor"),
    ));
    rows.push(
        Row::new(
            "Python dict of 10 fields to cbor",
            python("encode", "encode-linkspan"),
            python("orjson", "encode-orjson"),
        )
        .mark(1.0, 0.8)
        .beside([python("msgpack", "encode-msgpack"), python("cbor2", "encode-cbor2")]),
    );
    rows.push(
        Row::new(
            "Python dict of 10 fields to json",
            python("encode", "encode-linkspan-json"),
            python("orjson", "encode-orjson"),
        )
        .mark(1.2, 1.0)
        .beside([python("json", "encode-json")]),
    );
    rows
}
