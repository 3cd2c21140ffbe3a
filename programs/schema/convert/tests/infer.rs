//! Schemas from messages: each accepts its messages, marks open questions, and only ever gets wider.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

#[allow(dead_code)]
mod generated;
mod vectors;

use linkspan::schema::Schema;
use linkspan::{Encoding, Value, codec};
use linkspan_schema_convert::infer::{Evidence, Widening, propose};

fn values(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| codec::decode(line.as_bytes(), Encoding::Json).unwrap()).collect()
}

fn proposed(lines: &str) -> String {
    let mut evidence = Evidence::default();
    let values = values(lines);
    values.iter().for_each(|value| evidence.add(value));
    let proposal = propose("seen", &evidence).unwrap();
    values.iter().for_each(|value| proposal.schema.check(value).unwrap());
    assert_eq!(
        Schema::parse(&proposal.text).unwrap().fingerprint().unwrap(),
        proposal.schema.fingerprint().unwrap()
    );
    proposal.text
}

#[test]
fn doubts_stand_where_they_are() {
    let text = proposed(
        "{\"watts\": 1.5, \"count\": 3, \"level\": 1, \"name\": \"a\", \"mixed\": 1}\n\
         {\"watts\": 2.5, \"count\": 4, \"level\": 1.5, \"mixed\": \"x\", \"of\": [1, 2]}\n\
         {\"watts\": 2.5, \"count\": 9, \"level\": 2, \"name\": null, \"mixed\": true, \"of\": []}",
    );
    for expected in [
        "# inferred from 3 messages\nname = \"seen\"",
        "[fields.watts]\ntype = \"f64\"\n",
        "[fields.count]\n# integer or float? all 3 were integers, 3 to 9\ntype = \"i64\"\n",
        "[fields.level]\n# integer or float? 2 of 3 were integers\ntype = \"f64\"\n",
        "[fields.name]\n# optional? in 1 of 3 messages, null in 1\ntype = \"text\"\noptional = true\n",
        "[fields.mixed]\n# type? 1 bool, 1 integer, 1 text\ntype = \"any\"\n",
        "# optional? in 2 of 3 messages\n# integer or float? all 2 were integers, 1 to 2\ntype = \"list\"\nof = \"i64\"\n",
    ] {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
}

#[test]
fn few_texts_may_be_an_enum_and_many_keys_are_a_map() {
    let lines: Vec<String> = (0..40)
        .map(|i| {
            format!(
                "{{\"state\": \"{}\", \"by\": {{\"k{i}\": 1.5}}, \"odd\": {{\"a b\": 1.0}}}}",
                ["ON", "OFF"][i % 2]
            )
        })
        .collect();
    let text = proposed(&lines.join("\n"));
    assert!(text.contains("# enum? only ON, OFF in 40 values\ntype = \"text\"\n"), "{text}");
    assert!(
        text.contains(
            "# record or map? 40 keys, most of them in few messages\ntype = \"map\"\nof = \"f64\"\n"
        ),
        "{text}"
    );
    assert!(text.contains("[fields.odd]\ntype = \"map\"\nof = \"f64\"\n"), "{text}");
}

#[test]
fn nothing_seen_and_bad_names_are_errors() {
    assert!(propose("a", &Evidence::default()).unwrap_err().text().contains("no message was seen"));
    let error = propose("a b", &Evidence::of(&Value::Null)).unwrap_err();
    assert!(error.text().contains("give one with --name"), "{error}");
}

#[test]
fn depth_and_number_of_keys_stay_within_what_a_schema_may_have() {
    let deep = (0..60).fold(Value::Int(1), |value, _| Value::map([("a", value)]));
    let wide = Value::Map((0..20_000).map(|i| (format!("k{i}"), Value::map([("x", 1), ("y", 2)]))).collect());
    for value in [deep, wide] {
        let mut evidence = Evidence::default();
        evidence.add(&value);
        let proposal = propose("a", &evidence).unwrap();
        proposal.schema.check(&value).unwrap();
        Schema::parse(&proposal.text).unwrap();
    }
}

#[test]
fn every_proposal_accepts_what_it_was_made_from() {
    let seed = generated::random::seed();
    for (file, schema) in vectors::schemas() {
        for round in 0..60 {
            let mut values = generated::Values::new(&schema, seed.wrapping_add(round * 7919));
            let seen: Vec<Value> = (0..1 + round).map(|_| values.next()).collect();
            let mut evidence = Evidence::default();
            seen.iter().for_each(|value| evidence.add(value));
            let proposal = propose("seen", &evidence).unwrap();
            for value in &seen {
                proposal
                    .schema
                    .check(value)
                    .unwrap_or_else(|why| panic!("{file}: {why}: {value:?}\n{}", proposal.text));
            }
            let parsed =
                Schema::parse(&proposal.text).unwrap_or_else(|why| panic!("{why}\n{}", proposal.text));
            assert_eq!(parsed.fingerprint().unwrap(), proposal.schema.fingerprint().unwrap());
        }
    }
}

#[test]
fn widening_only_widens_and_accepts_everything() {
    let seed = generated::random::seed();
    let schemas = vectors::schemas();
    let mut changed = 0;
    for (file, old) in &schemas {
        for round in 0..200 {
            let mut values = generated::Values::new(old, seed.wrapping_add(round * 104_729));
            let seen: Vec<Value> = (0..1 + round % 20).map(|_| values.next()).collect();
            let mut widening = Widening::new(old.clone());
            seen.iter().for_each(|value| widening.add(value));
            let new = widening.finish();
            let differences = new.schema.cannot_read(old);
            assert!(differences.is_empty(), "{file}: {differences:?}\n{seen:?}\n{}", new.text);
            for value in &seen {
                let verdict = new.schema.check(value);
                let accepted =
                    verdict.as_ref().err().is_none_or(|why| why.text().contains(" is the old name of "));
                assert!(accepted, "{file}: {value:?}\n{}", new.text);
            }
            let parsed = Schema::parse(&new.text).unwrap_or_else(|why| panic!("{why}\n{}", new.text));
            assert_eq!(parsed.fingerprint().unwrap(), new.schema.fingerprint().unwrap(), "{}", new.text);
            changed += usize::from(new.schema.fingerprint().unwrap() != old.fingerprint().unwrap());
        }
    }
    assert!(changed > 200, "{changed} of the schemas were widened");
}

#[test]
fn widening_keeps_what_still_holds() {
    let old = Schema::parse(
        "name = \"a\"\n[fields]\nx = { type = \"u8\", unit = \"V\", range = [0, 9], doc = \"X\" }\n\
         s = { type = \"enum\", values = [\"A\"] }\nt = { type = \"text\", max_length = 2 }\n",
    )
    .unwrap();
    let mut widening = Widening::new(old);
    for value in values("{\"x\": 300, \"s\": \"B\", \"t\": \"abc\"}\n{\"x\": 1, \"s\": \"A\", \"more\": 1.5}")
    {
        widening.add(&value);
    }
    let text = widening.finish().text;
    for expected in [
        "# widened from 2 messages\n",
        "[fields.x]\n# widened: it was u8 in V, [0, 9]\ntype = \"u16\"\nunit = \"V\"\nrange = [0, 300]\ndoc = \"X\"\n",
        "values = [\"A\", \"B\"]\n",
        "max_length = 3\noptional = true\n",
        "[fields.more]\n# new: the old schema has no such field\ntype = \"f64\"\noptional = true\n",
    ] {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
}
