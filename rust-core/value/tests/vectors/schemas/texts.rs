//! Texts of schemas: accepted texts, and refused texts with the position and the reason.

/// Each kind of type, with units, ranges, defaults, aliases and named types.
pub const READING: &str = concat!("\n", include_str!("reading.toml"));

/// A field of each type, and each key of a type or field.
pub fn valid() -> Vec<(&'static str, String)> {
    let of = |of: &str| format!("name = \"t\"\ntype = \"{of}\"\n");
    let field = |lines: &str| format!("name = \"t\"\n[fields.a]\n{lines}");
    let mut all = vec![("a record with everything", READING.to_owned())];
    for name in [
        "any",
        "bool",
        "i8",
        "i16",
        "i32",
        "i64",
        "u8",
        "u16",
        "u32",
        "u64",
        "f32",
        "f64",
        "text",
        "bytes",
        "timestamp",
        "uuid",
        "decimal",
    ] {
        all.push((name, of(name)));
    }
    all.extend([
        ("a list", of("list of i32")),
        ("a map of lists", of("map of list of text")),
        ("a name with dots", "name = \"lab.power_2.reading\"\nfields.a = \"u8\"\n".to_owned()),
        ("a version", "name = \"t\"\nversion = 4294967295\nfields.a = \"u8\"\n".to_owned()),
        ("a description", "name = \"t\"\ndoc = \"Ωhm\"\nfields.a = \"u8\"\n".to_owned()),
        ("a unit", field("type = \"f64\"\nunit = \"m/s2\"\n")),
        ("a unit of an integer", field("type = \"u16\"\nunit = \"Cel\"\n")),
        ("a range of integers", field("type = \"i64\"\nrange = [-9223372036854775808, 9223372036854775807]\n")),
        ("a range of floats", field("type = \"f32\"\nrange = [-0.5, 0.25]\n")),
        ("an optional field", field("type = \"u8\"\noptional = true\n")),
        ("a default", field("type = \"u8\"\ndefault = 7\n")),
        ("a default of a time", field("type = \"timestamp\"\ndefault = \"2026-01-02T03:04:05.000000006Z\"\n")),
        ("a default of a decimal", field("type = \"decimal\"\ndefault = \"1.50\"\n")),
        ("a default of bytes", field("type = \"bytes\"\ndefault = \"AAEC\"\n")),
        ("an alias", field("type = \"u8\"\nalias = \"old\"\n")),
        ("aliases", field("type = \"u8\"\nalias = [\"old\", \"older\"]\n")),
        ("the longest text", field("type = \"text\"\nmax_length = 0\n")),
        ("an enum", field("type = \"enum\"\nvalues = [\"on\", \"off\"]\n")),
        ("an enum with a default", field("type = \"enum\"\nvalues = [\"on\", \"off\"]\ndefault = \"off\"\n")),
        ("a union", field("type = \"union\"\n[fields.a.variants]\nb = \"u8\"\nc = \"text\"\n")),
        ("a nested record", field("type = \"record\"\n[fields.a.fields.b.fields]\nc = \"u8\"\n")),
        ("a named type", field("type = \"list of place\"\n[types.place.fields]\nx = \"f64\"\n")),
        ("an array of any shape", field("type = \"ndarray\"\ndtype = \"c64\"\n")),
        ("an array of a fixed shape", field("type = \"ndarray\"\ndtype = \"u8\"\nshape = [2, 3, 4]\norder = \"column\"\n")),
        ("an array with named lengths", field("type = \"ndarray\"\ndtype = \"f64\"\nshape = [\"n\", \"n\", \"*\"]\n")),
        (
            "a packed record",
            "name = \"t\"\nlayout = \"packed\"\n[fields]\na = \"u8\"\nb = \"f64\"\n".to_owned(),
        ),
        (
            "a table",
            field("type = \"table\"\n[fields.a.columns.t]\ntype = \"list\"\nof = \"timestamp\"\n[fields.a.columns.v]\ntype = \"ndarray\"\ndtype = \"f64\"\nshape = [\"m\"]\n"),
        ),
    ]);
    all
}

pub const INVALID: &[(&str, &str, &str)] = &[
    ("name = \"x\"\n[fields.a]\ntype = \"f46\"", "3:8: ", "did you mean \"f64\"?"),
    ("name = \"x\"\n[fields.a]\ntype = \"f64\"\nunits = \"W\"", "4:1: ", "did you mean \"unit\"?"),
    ("name = \"x\"\n[fields.a]\ntype = \"f64\"\nunit = \"Watt\"", "4:8: ", "UCUM does not know"),
    ("name = \"x\"\n[fields.a]\ntype = \"text\"\nunit = \"W\"", "4:1: ", "a type text has no \"unit\""),
    ("name = \"x\"\n[fields.a]\ntype = \"u8\"\nrange = [0, 256]", "4:13: ", "256 is no u8"),
    ("name = \"x\"\n[fields.a]\ntype = \"u8\"\nrange = [2, 1]", "4:9: ", "comes first"),
    ("name = \"x\"\n[fields.a]\ntype = \"enum\"\nvalues = [\"A\", \"A\"]", "4:16: ", "twice"),
    ("name = \"x\"\n[fields.a]\ntype = \"enum\"", "2:", "an enum has values"),
    ("name = \"x\"\n[fields.a]\ntype = \"u8\"\ndefault = 300", "4:11: ", "does not fit"),
    ("name = \"x\"\n[fields.a]\ntype = \"any\"\ndefault = 1", "4:11: ", "make it optional"),
    ("name = \"x\"\n[fields.\"a b\"]\ntype = \"u8\"", "2:", "is not a valid name"),
    ("name = \"x\"\n[fields.a]\ntype = \"u8\"\n[fields.b]\ntype = \"u8\"\nalias = \"a\"", "4:", "already"),
    (
        "name = \"x\"\n[fields.a]\ntype = \"u8\"\n[fields.a]\ntype = \"u8\"",
        "4:9: ",
        "the key \"a\" stands at schema:2:9 already",
    ),
    ("name = \"x y\"\n[fields.a]\ntype = \"u8\"", "1:8: ", "is not a valid name"),
    ("[fields.a]\ntype = \"u8\"", "1:1: ", "needs a name"),
    ("name = \"x\"\n", "1:1: ", "a type is missing"),
    ("name = \"x\"\n[fields]", "2:", "at least one"),
    ("name = \"x\"\n[fields.a]\ntype = \"list\"", "2:", "the type of the values is missing"),
    ("name = \"x\"\n[fields.a]\ntype = \"ndarray\"\ndtype = \"f23\"", "4:9: ", "did you mean"),
    ("name = \"x\"\nfields = 3", "2:10: ", "a table is expected here"),
    ("name = \"x\"\n[fields.a]\ntype = ", "3:", ""),
    ("name = \"x\"\n[fields.a]\ntype = \"t\"\n[types.t.fields]\nb = \"t\"", "", "contains itself"),
    (
        "name = \"x\"\n[fields.a]\ntype = \"u8\"\n[types.t.fields]\nb = \"nothing\"",
        "5:5: ",
        "no type is called",
    ),
    ("name = \"x\"\n[fields.a]\ntype = \"table\"\n[fields.a.columns]\nb = \"f64\"", "5:5: ", "a column is"),
    ("name = \"x\"\nversion = -1\nfields.a = \"u8\"", "2:11: ", ""),
    ("name = \"x\"\nfields.a = \"u8\"\nunits = \"W\"", "3:1: ", ""),
    ("name = \"x\"\nfields.a = \"u8\"\ntype = \"u8\"", "", ""),
    ("name = \"x\"\n[fields.a]\ntype = \"u8\"\noptional = 1", "4:12: ", ""),
    ("name = \"x\"\n[fields.a]\ntype = \"text\"\nmax_length = -1", "4:14: ", ""),
    ("name = \"x\"\n[fields.a]\ntype = \"enum\"\nvalues = []", "4:10: ", ""),
    ("name = \"x\"\n[fields.a]\ntype = \"enum\"\nvalues = [\"A\"]\ndefault = \"B\"", "5:11: ", ""),
    ("name = \"x\"\n[fields.a]\ntype = \"ndarray\"", "2:", "dtype"),
    ("name = \"x\"\n[fields.a]\ntype = \"ndarray\"\ndtype = \"f64\"\nshape = [-1]", "5:10: ", ""),
    ("name = \"x\"\n[fields.a]\ntype = \"ndarray\"\ndtype = \"f64\"\norder = \"up\"", "5:9: ", ""),
    ("name = \"x\"\n[fields.a]\ntype = \"union\"", "2:", "variants"),
    ("name = \"x\"\n[fields.a]\ntype = \"f64\"\nrange = [0.0, nan]", "4:15: ", ""),
    ("name = \"x\"\n[fields.a]\ntype = \"timestamp\"\ndefault = \"yesterday\"", "4:11: ", ""),
    ("name = \"x\"\n[fields.a]\ntype = \"list of nothing\"", "3:8: ", ""),
    ("name = \"x\"\nlayout = \"tight\"\nfields.a = \"u8\"", "2:10: ", "packed"),
    ("name = \"x\"\nlayout = \"packed\"\nfields.a = \"text\"", "", ""),
    ("name = \"x\"\ninclude = [\"y\"]\n[fields.a]\ntype = \"u8\"", "", "given as text cannot include"),
];
