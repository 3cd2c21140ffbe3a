//! Imports ROS 1 and ROS 2 `.msg` files line by line.
//!
//! A field with another message type becomes a nested record. Its definition is looked up in this order: after a line
//! of `=` in a file that was already read, as recordings store them; in its package next to the first file's package;
//! in its package in a folder of `include`; in the folder of the first file or of `include`.
//!
//! Errors with file, line and column are: a type that contains itself, more than [`MAX_FILES`] definitions, and
//! inexpressible parts. Dropped parts (constants, bounds with another meaning) become remarks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use linkspan::schema::{Field, Kind, Length, Schema, Type, Width};
use linkspan::{DType, ErrorKind, Result, Value, quoted};

use super::source::{self, Budget, Place};
use super::{Options, Remark};

/// The most files that one message may refer to.
const MAX_FILES: usize = 256;

struct Definition {
    file: String,
    line: usize,
    text: String,
}

struct Reader<'a> {
    include: &'a [PathBuf],
    folder: PathBuf,
    /// By `package/Type`.
    known: BTreeMap<String, Definition>,
    /// Limits the types of a message, which repeated references may multiply.
    budget: Budget,
    /// The types being read, outermost first. A reference back to these types is recursive.
    open: Vec<String>,
    remarks: Vec<Remark>,
}

/// Reads the message of a file, or the message `options.message` in it.
///
/// # Errors
/// Errors of reading the file; `Malformed`, `Unsupported`, `NotFound` and `TooLarge` with file, line and column.
pub(super) fn read(file: &Path, options: &Options) -> Result<(Schema, Vec<Remark>)> {
    let text = source::text(file)?;
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("message");
    // sensor_msgs/msg/Imu.msg is sensor_msgs/Imu.
    let mut parents =
        file.ancestors().skip(1).filter_map(|path| path.file_name()?.to_str()).filter(|name| *name != "msg");
    let package = parents.next().filter(|name| Field::is_name(name)).unwrap_or_default().to_owned();
    let mut reader = Reader {
        include: &options.include,
        folder,
        known: BTreeMap::new(),
        budget: Budget::new(),
        open: Vec::new(),
        remarks: Vec::new(),
    };
    let shown = file.display().to_string();
    reader.add_all(&shown, &text, &format!("{package}/{stem}"));
    let name = options.message.clone().unwrap_or_else(|| format!("{package}/{stem}"));
    let start = Place { file: &shown, line: 1, column: 1 };
    let kind = reader.record(&name, start)?;
    let dotted = name.replace("/msg/", "/").trim_start_matches('/').replace('/', ".");
    if !Schema::is_name(&dotted) {
        return Err(start
            .unsupported(format!("{} cannot name a schema: name the file after its type", quoted(&name))));
    }
    Ok((Schema::new(dotted, Type::plain(kind)), reader.remarks))
}

impl Reader<'_> {
    /// Adds the text's definition, or as in recordings several, separated by `=` and `MSG: package/Type`.
    fn add_all(&mut self, file: &str, text: &str, name: &str) {
        let mut name = name.to_owned();
        let mut part = Definition { file: file.to_owned(), line: 1, text: String::new() };
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let is_rule = line.len() >= 20 && line.bytes().all(|byte| byte == b'=');
            if let (true, Some((_, next))) = (is_rule, lines.peek())
                && let Some(next) = next.strip_prefix("MSG:")
            {
                let next = next.trim().replace("/msg/", "/");
                lines.next();
                let first = Definition { file: file.to_owned(), line: number + 3, text: String::new() };
                self.known.insert(std::mem::replace(&mut name, next), std::mem::replace(&mut part, first));
                continue;
            }
            part.text += line;
            part.text.push('\n');
        }
        self.known.insert(name, part);
    }

    fn find(&mut self, name: &str, at: Place<'_>) -> Result<()> {
        if self.known.contains_key(name) {
            return Ok(());
        }
        let (package, short) = name.rsplit_once('/').unwrap_or(("", name));
        let is_plain = |part: &str| part.is_empty() || Field::is_name(part);
        if !is_plain(package) || !Field::is_name(short) {
            return Err(
                at.error(ErrorKind::Malformed, format!("{} is not a valid name of a type", quoted(name)))
            );
        }
        let file = format!("{short}.msg");
        let own = self.folder.clone();
        let above = own.parent().map(Path::to_owned).unwrap_or_default();
        let packages = above.parent().map(Path::to_owned).unwrap_or_default();
        let mut places = vec![above.join(package), packages.join(package)];
        places.extend(self.include.iter().map(|folder| folder.join(package)));
        let in_package =
            places.iter().flat_map(|folder| [folder.join("msg").join(&file), folder.join(&file)]);
        let anywhere = [&own].into_iter().chain(self.include).map(|folder| folder.join(&file));
        let found = in_package.chain(anywhere).find(|path| path.is_file());
        let Some(path) = found else {
            let text =
                format!("no file defines {}: give the directory of its package with --include", quoted(name));
            return Err(at.error(ErrorKind::NotFound, text));
        };
        if self.known.len() == MAX_FILES {
            return Err(at.error(ErrorKind::TooLarge, format!("a message names at most {MAX_FILES} others")));
        }
        let text = source::text(&path)?;
        self.add_all(&path.display().to_string(), &text, name);
        Ok(())
    }

    /// Reads the fields of a type. The comment after a field describes it, or else the comment lines before it.
    fn record(&mut self, name: &str, at: Place<'_>) -> Result<Kind> {
        if self.open.iter().any(|open| open == name) {
            return Err(at.unsupported(format!(
                "the type {} contains itself, and schemas cannot describe recursive types: remove the field",
                quoted(name)
            )));
        }
        self.find(name, at)?;
        self.budget.enter(at)?;
        self.open.push(name.to_owned());
        let Some(definition) = self.known.get(name) else { return Ok(Kind::Any) };
        let (file, first, text) = (definition.file.clone(), definition.line, definition.text.clone());
        let mut fields: Vec<Field> = Vec::new();
        let mut docs: Vec<&str> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let (code, comment) =
                line.split_once('#').map_or((line, None), |(code, doc)| (code, Some(doc.trim())));
            let column = code.len() - code.trim_start().len();
            let at = Place { file: &file, line: first + number, column: column + 1 };
            // A text constant may contain the comment character, but it is not a field anyway.
            if code.trim().is_empty() {
                match comment {
                    Some(doc) => docs.push(doc),
                    None => docs.clear(),
                }
                continue;
            }
            if let Some(mut field) = self.line(code.trim(), at, name)? {
                if fields.iter().any(|other| other.name == field.name) {
                    let text = format!("the field {} is defined twice: rename one", quoted(&field.name));
                    return Err(at.error(ErrorKind::Malformed, text));
                }
                field.doc = comment.map_or_else(|| docs.join(" "), str::to_owned).trim().to_owned();
                fields.push(field);
            }
            docs.clear();
        }
        if fields.is_empty() {
            return Err(at.unsupported(format!(
                "the type {} has no fields, and a record has at least one",
                quoted(name)
            )));
        }
        self.open.pop();
        self.budget.leave();
        Ok(Kind::Record(fields))
    }

    /// Returns a field; `None` for a constant.
    fn line(&mut self, code: &str, at: Place<'_>, within: &str) -> Result<Option<Field>> {
        let Some((of, rest)) = code.split_once(char::is_whitespace) else {
            let text =
                format!("{} is not a field: a type and a name are expected, such as float64 x", quoted(code));
            return Err(at.error(ErrorKind::Malformed, text));
        };
        let rest = rest.trim();
        let name = rest.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
        let after = rest[name.len()..].trim();
        if after.starts_with('=') {
            self.leave_out(name, at);
            return Ok(None);
        }
        let of = self.ty(of, at, within)?;
        let mut field = at.field(name, of)?;
        if !after.is_empty() {
            field.default = Some(default(&field.of.kind, after).ok_or_else(|| {
                at.unsupported(format!("the default {} cannot be expressed for {}", quoted(after), field.of))
            })?);
        }
        Ok(Some(field))
    }

    /// Adds a remark about dropped constants, one per group of consecutive constants.
    fn leave_out(&mut self, name: &str, at: Place<'_>) {
        const WHAT: &str = "a schema has no constants, these are left out: ";
        let file = format!("{}:", at.file);
        match self.remarks.last_mut() {
            Some(last) if last.text.starts_with(WHAT) && last.place.starts_with(&file) => {
                last.text += ", ";
                last.text += name;
            }
            _ => self.remarks.push(Remark { place: at.to_string(), text: format!("{WHAT}{name}") }),
        }
    }

    fn ty(&mut self, text: &str, at: Place<'_>, within: &str) -> Result<Type> {
        self.budget.take(at)?;
        let Some((of, bounds)) = text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) else {
            return self.single(text, at, within);
        };
        let bad =
            || at.error(ErrorKind::Malformed, format!("{} is not a length of an array", quoted(bounds)));
        let (most, fixed) = match bounds {
            "" => (None, None),
            _ => match bounds.strip_prefix("<=") {
                Some(most) => (Some(most.parse::<u32>().map_err(|_| bad())?.into()), None),
                None => (None, Some(bounds.parse::<u32>().map_err(|_| bad())?.into())),
            },
        };
        let each = self.single(of, at, within)?;
        if let (Some(dtype), None) = (dtype(&each.kind), most) {
            if (dtype, fixed) == (DType::U8, None) {
                return Ok(Type::plain(Kind::Bytes(None)));
            }
            let shape = Some(vec![fixed.map_or(Length::Any, Length::Fixed)]);
            return Ok(Type::plain(Kind::NdArray { dtype, shape, order: None }));
        }
        if let Some(length) = fixed {
            self.remarks.push(Remark {
                place: at.to_string(),
                text: format!("shorter lists are accepted, too: a list has no least length, here {length}"),
            });
        }
        Ok(Type::plain(Kind::List(Box::new(each), most.or(fixed))))
    }

    fn single(&mut self, text: &str, at: Place<'_>, within: &str) -> Result<Type> {
        self.budget.take(at)?;
        let (name, most) = match text.split_once("<=") {
            None => (text, None),
            Some((name @ ("string" | "wstring"), most)) => match most.parse::<u32>() {
                Ok(most) => (name, Some(u64::from(most))),
                Err(_) => {
                    let text = format!("{} is not a length of a text", quoted(most));
                    return Err(at.error(ErrorKind::Malformed, text));
                }
            },
            Some(_) => return Err(at.error(ErrorKind::Malformed, format!("{} is not a type", quoted(text)))),
        };
        let duration = |seconds: &str, rest: &str, rest_is: Width| {
            let part = |name: &str, width| Field::new(name, Type::plain(Kind::Integer(width)));
            Kind::Record(vec![part(seconds, Width::I32), part(rest, rest_is)])
        };
        Ok(Type::plain(match name {
            "bool" => Kind::Bool,
            "int8" => Kind::Integer(Width::I8),
            "int16" => Kind::Integer(Width::I16),
            "int32" => Kind::Integer(Width::I32),
            "int64" => Kind::Integer(Width::I64),
            "uint8" | "byte" | "char" => Kind::Integer(Width::U8),
            "uint16" => Kind::Integer(Width::U16),
            "uint32" => Kind::Integer(Width::U32),
            "uint64" => Kind::Integer(Width::U64),
            "float32" => Kind::F32,
            "float64" => Kind::F64,
            "string" | "wstring" => Kind::Text(most),
            "time" | "builtin_interfaces/Time" | "builtin_interfaces/msg/Time" => Kind::Timestamp,
            "duration" => duration("secs", "nsecs", Width::I32),
            "builtin_interfaces/Duration" | "builtin_interfaces/msg/Duration" => {
                duration("sec", "nanosec", Width::U32)
            }
            _ => {
                let full = name.replace("/msg/", "/");
                let full = match full.contains('/') {
                    true => full,
                    // The only type of another package that ROS 1 names without its package.
                    false if full == "Header" && !within.starts_with("std_msgs/") => "std_msgs/Header".into(),
                    false => format!("{}/{full}", within.rsplit_once('/').map_or("", |(package, _)| package)),
                };
                return self.record(&full, at).map(Type::plain);
            }
        }))
    }
}

/// Returns the element type for an array of these numbers.
fn dtype(kind: &Kind) -> Option<DType> {
    Some(match kind {
        Kind::Bool => DType::Bool,
        Kind::Integer(width) => DType::from_name(width.name())?,
        Kind::F32 => DType::F32,
        Kind::F64 => DType::F64,
        _ => return None,
    })
}

fn default(kind: &Kind, text: &str) -> Option<Value> {
    Some(match kind {
        Kind::Bool => match text {
            "true" | "True" | "1" => true.into(),
            "false" | "False" | "0" => false.into(),
            _ => return None,
        },
        Kind::Integer(Width::U64) => text.parse::<u64>().ok()?.into(),
        Kind::Integer(_) => text.parse::<i64>().ok()?.into(),
        Kind::F32 | Kind::F64 => text.parse::<f64>().ok().filter(|number| !number.is_nan())?.into(),
        Kind::Text(_) => {
            let inner = ['"', '\''].iter().find_map(|mark| text.strip_prefix(*mark)?.strip_suffix(*mark));
            inner.unwrap_or(text).into()
        }
        _ => return None,
    })
}
