//! The plan of a schema: types in order of definition, identifiers of the language, colliding names.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

use linkspan::ErrorKind;
use linkspan::schema::Schema;
use linkspan_schema::generate::{Definition, Language, Plan, Shape, generate};

#[test]
fn types_come_after_those_that_they_name_and_equal_ones_once() {
    let schema = Schema::parse(
        r#"
        name = "lab.track"
        [types.point]
        type = "record"
        fields = { x = "f64", kind = { type = "enum", values = ["A", "B"] } }
        [fields]
        from = "point"
        to = "list of point"
        "#,
    )
    .unwrap();
    let plan = Plan::new(&schema, Language::Rust).unwrap();
    let names: Vec<_> = plan.types.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["LabTrackFromKind", "LabTrackFrom", "LabTrack"]);
    assert_eq!(plan.root.shape, Shape::Named(2));
    let Definition::Record(members) = &plan.types[2].definition else { panic!("{:?}", plan.types[2]) };
    let Shape::List(of, None) = &members[1].slot.shape else { panic!("{:?}", members[1]) };
    assert_eq!((&members[0].slot.shape, &of.shape), (&Shape::Named(1), &Shape::Named(1)));
}

#[test]
fn reserved_words_are_changed_and_keys_are_kept() {
    let schema = Schema::parse("name = \"t\"\n[fields]\ntype = \"f64\"\nmaxWatts = \"f64\"").unwrap();
    let plan = Plan::new(&schema, Language::Rust);
    let plan = plan.unwrap();
    let Definition::Record(members) = &plan.types[0].definition else { panic!("{:?}", plan.types) };
    let names: Vec<_> = members.iter().map(|member| (member.name.as_str(), member.key.as_str())).collect();
    assert_eq!(names, [("type_", "type"), ("max_watts", "maxWatts")]);
}

#[test]
fn two_fields_with_one_identifier_are_both_named() {
    let schema = Schema::parse("name = \"t\"\n[fields]\nmaxWatts = \"f64\"\nmax_watts = \"f64\"").unwrap();
    let error = Plan::new(&schema, Language::Rust).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.text().contains("t.maxWatts and t.max_watts would both be the field max_watts"), "{error}");
}

#[test]
fn two_types_with_one_identifier_are_both_named() {
    let text = "name = \"t\"\n[fields.a_b]\ntype = \"record\"\nfields = { x = \"f64\" }
[fields.a]\ntype = \"record\"\n[fields.a.fields.b]\ntype = \"record\"\nfields = { y = \"f64\" }";
    let error = Plan::new(&Schema::parse(text).unwrap(), Language::Rust).unwrap_err();
    assert!(error.text().contains("t.a_b and t.a.b would both be the type TAB"), "{error}");
}

#[test]
fn words_of_packed_code_are_reserved_in_packed_schemas_alone() {
    for (layout, expected) in
        [("layout = \"packed\"\n", ["size_", "pack_", "speed"]), ("", ["size", "pack", "speed"])]
    {
        let text = format!("name = \"t\"\n{layout}[fields]\nsize = \"u8\"\npack = \"u8\"\nspeed = \"u8\"");
        let schema = Schema::parse(&text).unwrap();
        let plan = Plan::new(&schema, Language::Cpp).unwrap();
        let Definition::Record(members) = &plan.types[0].definition else { panic!("{:?}", plan.types) };
        let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, expected);
    }
}

#[test]
fn types_called_as_what_fortran_makes_are_refused_with_both_names() {
    let packed = "name = \"imu\"\nlayout = \"packed\"\n[fields.ITS]\ntype = \"record\"\nfields = { x = \"f64\" }\n[fields.on]\ntype = \"bool\"";
    let plain = "name = \"imu\"\n[fields.ITS]\ntype = \"record\"\nfields = { x = \"f64\" }";
    let refused = |text: &str, part: &str| {
        let schema = Schema::parse(&text.replace("ITS", part)).unwrap();
        generate(&schema, Language::Fortran).err().map(|error| (error.kind(), error.text().to_owned()))
    };
    for part in ["size", "block", "pack", "unpack", "check", "fits", "refuse", "fingerprint", "schema"] {
        let (kind, text) = refused(packed, part).unwrap_or_else(|| panic!("{part} was taken"));
        assert!(
            kind == ErrorKind::Unsupported && text.contains(&format!("imu_{part} of imu.{part}")),
            "{text}"
        );
        assert!(text.contains("for imu:") && text.contains("another name"), "{text}");
    }
    assert!(refused(plain, "set_defaults").is_some() && refused(plain, "messages").is_some());
    // Names that the module does not use for such a schema are free.
    assert_eq!(
        (refused(plain, "check"), refused(plain, "pack"), refused(packed, "checks")),
        (None, None, None)
    );
    let union = "name = \"t\"\n[fields.a]\ntype = \"union\"\n[fields.a.variants]\nb = { type = \"record\", fields = { x = \"f64\" } }";
    let error = generate(&Schema::parse(union).unwrap(), Language::Fortran).unwrap_err();
    assert!(error.text().contains("t_a_b of t.a.b"), "{error}");
}

#[test]
fn types_called_as_what_c_makes_are_refused_with_both_names() {
    let of = |layout: &str, field: &str| {
        let text = format!(
            "name = \"imu\"\n{layout}[fields.{field}]\ntype = \"record\"\nfields = {{ x = \"f64\" }}\n\
             [fields.on]\ntype = \"enum\"\nvalues = [\"A\"]"
        );
        let made = generate(&Schema::parse(&text).unwrap(), Language::C);
        made.err().map(|error| (error.kind(), error.text().to_owned()))
    };
    for part in ["init", "free", "encode", "decode", "put", "get", "to_bytes", "from_bytes", "schema"] {
        let (kind, text) = of("", part).unwrap_or_else(|| panic!("{part} was taken"));
        assert!(
            kind == ErrorKind::Unsupported && text.contains(&format!("imu_{part} of imu.{part}")),
            "{text}"
        );
        assert!(text.contains("for imu:") && text.contains("another name"), "{text}");
    }
    assert!(of("", "on_name").unwrap().1.contains("imu_on_name of imu.on_name"));
    let packed = "layout = \"packed\"\n";
    assert!(of(packed, "pack").is_some() && of(packed, "unpack_refusal").is_some());
    assert_eq!((of("", "pack"), of(packed, "to_bytes"), of("", "encoded")), (None, None, None));
}

#[test]
fn identifiers_are_those_of_the_language_and_hide_nothing_of_it() {
    let schema =
        Schema::parse("name = \"exception\"\n[fields]\n_ = \"u8\"\n_1 = \"u8\"\n_a = \"u8\"").unwrap();
    for language in Language::ALL {
        let plan = Plan::new(&schema, language).unwrap();
        let Definition::Record(members) = &plan.types[0].definition else { panic!("{:?}", plan.types) };
        let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
        let kept = language == Language::TypeScript;
        assert_eq!(names, if kept { ["_", "_1", "_a"] } else { ["n_", "n_1", "a"] }, "{}", language.name());
    }
    let named = |name: &str, language| {
        let schema = Schema::parse(&format!("name = \"{name}\"\n[fields]\nx = \"u8\"")).unwrap();
        Plan::new(&schema, language).unwrap().types[0].name.clone()
    };
    for (name, language, expected) in [
        ("exception", Language::Php, "Exception_"),
        ("array.access", Language::Php, "ArrayAccess_"),
        ("exception", Language::Python, "Exception_"),
        ("exception", Language::Rust, "Exception"),
        ("box", Language::Rust, "Box_"),
        ("malloc", Language::C, "malloc_"),
        ("size", Language::Fortran, "size_"),
        ("integer", Language::Fortran, "integer_"),
        ("promise", Language::TypeScript, "Promise_"),
    ] {
        assert_eq!(named(name, language), expected, "{}", language.name());
    }
}
