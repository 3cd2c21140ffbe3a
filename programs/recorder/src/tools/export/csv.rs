//! Writes tables as CSV (RFC 4180), in a pass for the columns of all tables and passes for their lines.

use std::collections::BTreeMap;

use linkspan::{Error, ErrorKind, Result, Value};
use linkspan_recording::columns::Paths;
use linkspan_recording::{columns, reader};
use linkspan_ros2::uuid;

use super::pass::{Arguments, Beside, Out, Table, each, json};
use crate::tools::faults::{Faults, decoded};
use crate::tools::opening::{open, shown};

const OPEN: usize = 256;

fn head(paths: &Paths) -> String {
    let names = columns::names(paths.in_order().into_iter(), &columns::FIXED);
    let cells = columns::FIXED.map(str::to_owned).into_iter().chain(names.iter().map(|name| text(name)));
    cells.collect::<Vec<_>>().join(",") + "\n"
}

/// Returns the cells of a line, each with its comma or the end of the line.
fn line(paths: &Paths, message: &reader::Message<'_>, value: &Value) -> Result<Vec<String>> {
    let mut cells = vec![String::new(); paths.len()];
    columns::flatten(value, &mut String::new(), &mut |path, value| {
        // A message with fields beyond the table's is left out completely.
        let place = paths.get(path).and_then(|at| cells.get_mut(at)).ok_or_else(|| Paths::without(path))?;
        *place = cell(value)?;
        Ok(())
    })?;
    let fixed = [
        shown(message.received),
        shown(message.sent),
        message.number.to_string(),
        text(&message.channel.source),
        message.channel.incarnation_text(),
    ];
    let mut cells: Vec<_> = fixed.into_iter().chain(cells).collect();
    cells.iter_mut().for_each(|cell| cell.push(','));
    if let Some(last) = cells.last_mut() {
        last.pop();
        last.push('\n');
    }
    Ok(cells)
}

/// The result of the first pass for a table.
#[derive(Default)]
struct Found {
    paths: Paths,
    /// Including messages that cannot be decoded and get no row.
    messages: u64,
    rows: u64,
    values: u64,
    /// Why the first message with too many fields is left out.
    left_out: Option<Error>,
}

impl Found {
    /// Adds the columns of a message. A message with too many columns gets no row, and adds nothing.
    fn add(&mut self, value: &Value, budget: &mut columns::Budget) -> Result<()> {
        let (before, mark, values) = (self.paths.held(), self.paths.mark(), self.values);
        let fits = columns::flatten(value, &mut String::new(), &mut |path, _| {
            self.values = self.values.saturating_add(1);
            self.paths.add(path).map(drop)
        });
        if let Err(error) = fits {
            self.paths.give_up(mark);
            self.values = values;
            self.left_out.get_or_insert(error);
            return Ok(());
        }
        self.rows = self.rows.saturating_add(1);
        let added = budget.take_columns(before, self.paths.held());
        if added.is_err() {
            budget.give_back(before);
        }
        added
    }
}

pub fn write(arguments: &Arguments, begin: u64, tables: &[Table], faults: &mut Faults) -> Result<()> {
    let mut found: BTreeMap<&str, Result<Found>> =
        tables.iter().map(|table| (&*table.topic, Ok(Found::default()))).collect();
    let mut budget = columns::Budget::of(open(&arguments.file)?.room());
    each(arguments, begin, faults, |message, _| {
        let Some(table) = found.get_mut(&*message.channel.topic) else { return Ok(()) };
        let Ok(found) = table else { return Ok(()) };
        found.messages = found.messages.saturating_add(1);
        // The next pass reports messages that cannot be decoded.
        if let Ok(value) = decoded(message)
            && let Err(error) = found.add(&value, &mut budget)
        {
            *table = Err(error);
        }
        Ok(())
    })?;
    let mut beside = Beside::of(arguments)?;
    for some in tables.chunks(OPEN) {
        let mut outs = BTreeMap::new();
        for table in some {
            let Some(found) = found.remove(&*table.topic) else { continue };
            // A name without messages in these times gets no table.
            if found.as_ref().is_ok_and(|found| found.messages == 0) {
                continue;
            }
            let begun = found.and_then(|Found { paths, rows, values, left_out, .. }| {
                left_out.filter(|_| rows == 0).map_or(Ok(()), Err)?;
                budget.take_blank(rows, paths.len(), values)?;
                let mut out = Out::create(arguments, table.path.as_deref(), table.is_in_folder)?;
                out.put(head(&paths).as_bytes())?;
                Ok((out, paths))
            });
            match begun {
                Ok(begun) => drop(outs.insert(&*table.topic, begun)),
                // An error of one name does not affect the tables of others.
                Err(error) if tables.len() > 1 && is_of_one(&error) => {
                    faults.table(&named(&table.topic, &error))
                }
                Err(error) => return Err(named(&table.topic, &error)),
            }
        }
        each(arguments, begin, faults, |message, faults| {
            let Some((out, paths)) = outs.get_mut(&*message.channel.topic) else { return Ok(()) };
            beside.take(&message.channel.topic, message.channel.source.len())?;
            let Some(value) = faults.value(message) else { return Ok(()) };
            let Some(cells) = faults.made(message, line(paths, message, &value)) else { return Ok(()) };
            cells.iter().try_for_each(|cell| out.put(cell.as_bytes()))
        })?;
        for (out, _) in outs.into_values() {
            out.finish()?;
        }
    }
    Ok(())
}

/// Returns whether the error concerns only this name: too many fields, or too long for a file name.
fn is_of_one(error: &Error) -> bool {
    error.kind() == ErrorKind::TooLarge || error.errno() == Some(NAME_TOO_LONG)
}

const NAME_TOO_LONG: i32 = 36;

fn named(topic: &str, error: &Error) -> Error {
    Error::new(error.kind(), format!("{topic}: {}", error.text()))
}

/// Returns the cell of a field. Values other than numbers, texts and times become JSON.
fn cell(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Null => String::new(),
        Value::Bool(is) => is.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Uint(u) => u.to_string(),
        // A signed number stays a number. A spreadsheet would read minus infinity as a formula.
        Value::Float(x) => text(&x.to_string()),
        Value::Timestamp(time) => time.to_string(),
        Value::Decimal(number) => text(&number.to_string()),
        Value::BigInt(number) => number.to_string(),
        Value::Uuid(bytes) => uuid(*bytes),
        // An empty cell means null.
        Value::Text(empty) if empty.is_empty() => "\"\"".to_owned(),
        Value::Text(given) => text(given),
        other => text(&String::from_utf8_lossy(json(other)?.body())),
    })
}

/// Returns a text as a quoted cell of RFC 4180.
///
/// A text that looks like a formula gets a `'` in front, even if it already has one.
fn text(text: &str) -> String {
    let mark = if is_formula(text.trim_start_matches('\'')) { "'" } else { "" };
    let quote = if text.contains([',', '"', '\n', '\r', ';', '\t']) { "\"" } else { "" };
    // A long text is copied once. The cell gets a comma or a line end behind it.
    let mut cell = String::with_capacity(text.len().saturating_add(4));
    cell.push_str(quote);
    cell.push_str(mark);
    for piece in text.split_inclusive('"') {
        cell.push_str(piece);
        if piece.ends_with('"') {
            cell.push('"');
        }
    }
    cell.push_str(quote);
    cell
}

/// Returns whether a spreadsheet would take a text for a formula.
///
/// Spreadsheets ignore invisible characters at the beginning, and accept other forms of the signs.
fn is_formula(text: &str) -> bool {
    let shown = text.trim_start_matches(is_unseen);
    // Some spreadsheets trim a tab or line end at the beginning.
    let is_cut = text.starts_with(['\t', '\r', '\n']);
    let mut rest = shown.chars();
    let Some(first) = rest.next() else { return is_cut };
    let is_number = shown.len() == text.len()
        && rest.next().is_some_and(|second| second.is_ascii_digit() || second == '.')
        && text.parse::<f64>().is_ok();
    is_cut || is_sign(first) && !is_number
}

/// Returns whether a character is `=`, `+`, `-` or `@`, or a compatible form.
fn is_sign(of: char) -> bool {
    matches!(of, '=' | '+' | '-' | '@')
        // Compatibility forms of Unicode: superscript, subscript, small and full width, and the Hebrew plus.
        || matches!(of, '\u{207a}'..='\u{207c}' | '\u{208a}'..='\u{208c}' | '\u{fb29}')
        || matches!(of, '\u{fe62}' | '\u{fe63}' | '\u{fe66}' | '\u{fe6b}')
        || matches!(of, '\u{ff0b}' | '\u{ff0d}' | '\u{ff1d}' | '\u{ff20}')
        // Two and three `=`, dashes that an import may take for a minus, and their compatibility forms.
        || matches!(of, '\u{2a75}' | '\u{2a76}')
        || matches!(of, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe31}' | '\u{fe32}' | '\u{fe58}')
}

/// Returns whether a character is invisible: a space, blank Braille, a control or format character.
fn is_unseen(of: char) -> bool {
    of.is_whitespace() || of.is_control() || of == '\u{2800}' || linkspan::is_unseen(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_a_spreadsheet_takes_for_a_formula_is_guarded_and_told_from_others() {
        for (given, expected) in [
            ("=1+1", "'=1+1"),
            (" =1+1", "' =1+1"),
            ("\u{a0}=1", "'\u{a0}=1"),
            ("\u{feff}=1", "'\u{feff}=1"),
            ("\u{200b}@x", "'\u{200b}@x"),
            ("\0=1", "'\0=1"),
            ("\u{ff1d}1+1", "'\u{ff1d}1+1"),
            ("\u{ff0b}1+1", "'\u{ff0b}1+1"),
            ("\u{fe66}1", "'\u{fe66}1"),
            ("\u{2212}1+1", "'\u{2212}1+1"),
            ("\u{2a75}1+1", "'\u{2a75}1+1"),
            ("\u{fe58}1+1", "'\u{fe58}1+1"),
            ("\u{1d173}=1", "'\u{1d173}=1"),
            ("\u{600}=1", "'\u{600}=1"),
            ("-inf", "'-inf"),
            ("+1+cmd", "'+1+cmd"),
            (" -1", "' -1"),
            ("\t1", "\"'\t1\""),
            ("\n=1", "\"'\n=1\""),
            ("'=1", "''=1"),
            ("=\"a\"", "\"'=\"\"a\"\"\""),
            ("-1.5", "-1.5"),
            ("+.5", "+.5"),
            ("a=b", "a=b"),
            ("'tis", "'tis"),
            ("a;b", "\"a;b\""),
        ] {
            assert_eq!(text(given), expected, "{given:?}");
        }
    }

    #[test]
    fn every_value_has_a_cell() {
        let list = Value::Array(vec![1.into(), "a".into()]);
        assert_eq!(cell(&list).unwrap(), "\"[1,\"\"a\"\"]\"");
        let float = |x: f64| cell(&Value::Float(x)).unwrap();
        assert_eq!(
            [float(-1.5), float(-1e300), float(-0.0)],
            ["-1.5".to_owned(), (-1e300).to_string(), "-0".to_owned()]
        );
        assert_eq!([float(f64::INFINITY), float(f64::NAN)], ["inf", "NaN"]);
        assert_eq!(float(f64::NEG_INFINITY), "'-inf");
        assert_eq!(cell(&Value::Uuid([0x1f; 16])).unwrap(), "1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f");
        assert_eq!(
            (cell(&Value::Null).unwrap(), cell(&"".into()).unwrap()),
            (String::new(), "\"\"".to_owned())
        );
        assert!(cell(&Value::Bytes(vec![0, 255].into())).unwrap().contains("bytes"));
    }
}
