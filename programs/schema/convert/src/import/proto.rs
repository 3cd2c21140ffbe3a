//! Imports `.proto` files. `protox` compiles them and resolves names.

use std::path::{Path, PathBuf};

use linkspan::schema::{Field, Kind, Schema, Type, Width};
use linkspan::{Error, ErrorKind, Result, Value, quoted};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use protox::prost_reflect::prost_types::FileDescriptorProto;
use protox::prost_reflect::{
    DescriptorPool, FieldDescriptor, Kind as ProtoKind, MessageDescriptor, Syntax, Value as ProtoValue,
};

use super::source::{self, Budget, Place};
use super::{Options, Remark};

/// The most bytes of a file with its imports: the compiler takes up to 280 times this memory.
const MAX_TOTAL: usize = 192 << 10;

struct Includes {
    root: String,
    folders: Vec<PathBuf>,
    left: std::cell::Cell<usize>,
}

impl FileResolver for Includes {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        Some(path.display().to_string())
    }

    fn open_file(&self, name: &str) -> std::result::Result<File, protox::Error> {
        let found = if name == self.root {
            Some(PathBuf::from(name))
        } else {
            self.folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
        };
        let path = found.ok_or_else(|| protox::Error::file_not_found(name))?;
        let text = source::text(&path).map_err(protox::Error::new)?;
        source::check_depth(&path.display().to_string(), &text).map_err(protox::Error::new)?;
        let Some(left) = self.left.get().checked_sub(text.len()) else {
            let most = MAX_TOTAL;
            let text = format!(
                "{}: the files have more than {most} bytes together: import the part that is needed",
                path.display()
            );
            return Err(protox::Error::new(Error::new(ErrorKind::TooLarge, text)));
        };
        self.left.set(left);
        File::from_source(name, &text)
    }
}

pub(super) fn read(file: &Path, options: &Options) -> Result<(Schema, Vec<Remark>)> {
    let root = file.display().to_string();
    let text = source::text(file)?;
    source::check_depth(&root, &text)?;
    let mut folders = vec![file.parent().unwrap_or(Path::new("")).to_owned()];
    folders.extend(options.include.iter().cloned());
    let mut resolver = ChainFileResolver::new();
    let left = std::cell::Cell::new(MAX_TOTAL);
    resolver.add(Includes { root: root.clone(), folders, left });
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_source_info(true).include_imports(true);
    compiler.open_file(file).map_err(|error| refused(&error, &root, &text))?;
    let pool = compiler.descriptor_pool();
    let message = chosen(&pool, &root, options.message.as_deref())?;
    let mut reader = Reader { budget: Budget::new(), open: Vec::new(), remarks: Vec::new() };
    let name = message.full_name().to_owned();
    let kind = reader.record(&message)?;
    let mut schema = Schema::new(name, Type::plain(kind));
    schema.doc = comment(message.parent_file().file_descriptor_proto(), message.path());
    Ok((schema, reader.remarks))
}

/// Returns the compiler's error on one line with file, line and column.
fn refused(error: &protox::Error, root: &str, source: &str) -> Error {
    let text = format!("{error:?}").replace('\n', "; ");
    // Our own error, passed on by the compiler.
    if let Some(ours) = text.strip_prefix(&format!("TooLarge ({}): ", ErrorKind::TooLarge.code())) {
        return Error::new(ErrorKind::TooLarge, ours);
    }
    let file = error.file().unwrap_or(root);
    let hint = match &text {
        text if text.contains("not found") => ": give its directory with --include",
        text if text.contains("import cycle") => ": remove one of these imports",
        text if text.contains("conflicts with field") || text.contains("defined twice") => {
            ": rename one of both"
        }
        _ => "",
    };
    if let Some((_, second)) =
        text.strip_prefix("import cycle detected: ").and_then(|all| all.split_once(" -> "))
    {
        let second = second.split(" -> ").next().unwrap_or_default();
        let line = source.lines().position(|line| line.contains("import") && line.contains(second));
        let at = Place { file: root, line: line.unwrap_or(0) + 1, column: 1 };
        return at.error(ErrorKind::Malformed, format!("{text}{hint}"));
    }
    let place = if text.contains(file) {
        String::new()
    } else if file == root && text.contains("end of file") {
        let last = source.lines().last().map_or(0, |line| line.chars().count());
        format!("{root}:{}:{}: ", source.lines().count().max(1), last + 1)
    } else {
        format!("{file}: ")
    };
    Error::new(ErrorKind::Malformed, format!("{place}{text}{hint}"))
}

/// Returns the message of this name, or the file's only message.
fn chosen(pool: &DescriptorPool, file: &str, name: Option<&str>) -> Result<MessageDescriptor> {
    let of_file: Vec<MessageDescriptor> = pool
        .all_messages()
        .filter(|message| message.parent_file().name() == file && !message.is_map_entry())
        .collect();
    let names = || of_file.iter().map(|message| message.full_name()).take(24).collect::<Vec<_>>().join(", ");
    let top: Vec<&MessageDescriptor> =
        of_file.iter().filter(|message| message.parent_message().is_none()).collect();
    let found = match (name, &top[..]) {
        (Some(name), _) => pool.get_message_by_name(name).or_else(|| {
            of_file.iter().find(|message| message.name() == name || message.full_name() == name).cloned()
        }),
        (None, [only]) => Some((*only).clone()),
        (None, []) => {
            return Err(Error::new(
                ErrorKind::Missing,
                format!("{file}:1:1: the file defines no message: add one, or import another file"),
            ));
        }
        (None, _) => {
            let text = format!(
                "{file}:1:1: the file defines several messages: choose one with --message: {}",
                names()
            );
            return Err(Error::new(ErrorKind::Missing, text));
        }
    };
    found.ok_or_else(|| {
        let text = format!(
            "{file}:1:1: no message is called {}: there are {}",
            quoted(name.unwrap_or_default()),
            names()
        );
        Error::new(ErrorKind::NotFound, text)
    })
}

struct Reader {
    budget: Budget,
    open: Vec<String>,
    remarks: Vec<Remark>,
}

impl Reader {
    fn record(&mut self, message: &MessageDescriptor) -> Result<Kind> {
        let file = message.parent_file();
        let at = place(file.file_descriptor_proto(), message.path());
        self.budget.enter(at)?;
        self.open.push(message.full_name().to_owned());
        // In the file's order instead of the field numbers' order.
        let mut all: Vec<FieldDescriptor> = message.fields().collect();
        all.sort_by_key(|field| field.path().last().copied());
        let mut fields: Vec<Field> = Vec::with_capacity(all.len());
        for field in &all {
            let at = place(file.file_descriptor_proto(), field.path());
            let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
            let Some(oneof) = oneof else {
                fields.push(self.field(field, at)?);
                continue;
            };
            if fields.iter().all(|known| known.name != oneof.name()) {
                self.budget.take(at)?;
                self.budget.enter(at)?;
                let mut variants = Vec::new();
                for each in all.iter().filter(|each| each.containing_oneof().as_ref() == Some(&oneof)) {
                    let at = place(file.file_descriptor_proto(), each.path());
                    let of = self.value(each, at)?;
                    variants.push(described(at.field(each.name(), of)?, each));
                }
                self.budget.leave();
                let mut union = at.field(oneof.name(), Type::plain(Kind::Union(variants)))?;
                union.optional = true;
                fields.push(union);
            }
        }
        if fields.is_empty() {
            return Err(at.unsupported(format!(
                "the message {} has no fields, and a record has at least one: leave the field out",
                quoted(message.full_name())
            )));
        }
        self.open.pop();
        self.budget.leave();
        Ok(Kind::Record(fields))
    }

    fn field(&mut self, field: &FieldDescriptor, at: Place<'_>) -> Result<Field> {
        let of = self.of_field(field, at)?;
        let mut out = described(at.field(field.name(), of)?, field);
        let is_proto2 = field.parent_file().syntax() == Syntax::Proto2;
        if field.is_list() {
            out.default = Some(Value::Array(Vec::new()));
        } else if field.is_map() {
            out.default = Some(Value::Map(linkspan::Map::new()));
        } else if field.cardinality() == protox::prost_reflect::Cardinality::Required {
            return Ok(out);
        } else if field.field_descriptor_proto().default_value.is_some()
            || (!field.supports_presence() && !is_proto2)
        {
            out.default = default(field, &out.of.kind);
        }
        out.optional = out.default.is_none();
        Ok(out)
    }

    fn of_field(&mut self, field: &FieldDescriptor, at: Place<'_>) -> Result<Type> {
        self.budget.take(at)?;
        if field.is_map()
            && let ProtoKind::Message(entry) = field.kind()
        {
            let key = entry.map_entry_key_field().kind();
            if key != ProtoKind::String {
                let text = format!(
                    "a map with keys of type {key:?} cannot be expressed: keys are text; write repeated messages"
                );
                return Err(at.unsupported(text));
            }
            let of = self.value(&entry.map_entry_value_field(), at)?;
            return Ok(Type::plain(Kind::Map(Box::new(of))));
        }
        let of = self.value(field, at)?;
        Ok(if field.is_list() { Type::plain(Kind::List(Box::new(of), None)) } else { of })
    }

    fn value(&mut self, field: &FieldDescriptor, at: Place<'_>) -> Result<Type> {
        self.budget.take(at)?;
        if field.is_group() {
            return Err(at.unsupported("a group cannot be expressed: make it a message"));
        }
        Ok(Type::plain(match field.kind() {
            ProtoKind::Double => Kind::F64,
            ProtoKind::Float => Kind::F32,
            ProtoKind::Int32 | ProtoKind::Sint32 | ProtoKind::Sfixed32 => Kind::Integer(Width::I32),
            ProtoKind::Int64 | ProtoKind::Sint64 | ProtoKind::Sfixed64 => Kind::Integer(Width::I64),
            ProtoKind::Uint32 | ProtoKind::Fixed32 => Kind::Integer(Width::U32),
            ProtoKind::Uint64 | ProtoKind::Fixed64 => Kind::Integer(Width::U64),
            ProtoKind::Bool => Kind::Bool,
            ProtoKind::String => Kind::Text(None),
            ProtoKind::Bytes => Kind::Bytes(None),
            ProtoKind::Enum(names) => {
                let mut values: Vec<String> = Vec::new();
                for value in names.values() {
                    let at = place(names.parent_file().file_descriptor_proto(), value.path()).to_string();
                    if !Field::is_name(value.name()) {
                        let text =
                            format!("{at}: {} is too long for the name of a value", quoted(value.name()));
                        return Err(Error::new(ErrorKind::Unsupported, text));
                    }
                    values.push(value.name().to_owned());
                }
                Kind::Enum(values)
            }
            ProtoKind::Message(message) => return self.message(&message, at),
        }))
    }

    fn message(&mut self, message: &MessageDescriptor, at: Place<'_>) -> Result<Type> {
        let wrapped = match message.full_name() {
            "google.protobuf.Timestamp" => Kind::Timestamp,
            "google.protobuf.Struct" => Kind::Map(Box::new(Type::plain(Kind::Any))),
            "google.protobuf.Value" => Kind::Any,
            "google.protobuf.ListValue" => Kind::List(Box::new(Type::plain(Kind::Any)), None),
            "google.protobuf.DoubleValue" => Kind::F64,
            "google.protobuf.FloatValue" => Kind::F32,
            "google.protobuf.Int64Value" => Kind::Integer(Width::I64),
            "google.protobuf.UInt64Value" => Kind::Integer(Width::U64),
            "google.protobuf.Int32Value" => Kind::Integer(Width::I32),
            "google.protobuf.UInt32Value" => Kind::Integer(Width::U32),
            "google.protobuf.BoolValue" => Kind::Bool,
            "google.protobuf.StringValue" => Kind::Text(None),
            "google.protobuf.BytesValue" => Kind::Bytes(None),
            "google.protobuf.Any" => {
                return Err(at.unsupported(
                    "google.protobuf.Any cannot be expressed, since its type is named in each message: use the message itself",
                ));
            }
            name if self.open.iter().any(|open| open == name) => {
                let text = format!(
                    "the message {} contains itself, and schemas cannot describe recursive types: leave the field out, or make it google.protobuf.Value",
                    quoted(name)
                );
                return Err(at.unsupported(text));
            }
            _ => self.record(message)?,
        };
        Ok(Type::plain(wrapped))
    }
}

fn described(mut field: Field, from: &FieldDescriptor) -> Field {
    field.doc = comment(from.parent_file().file_descriptor_proto(), from.path());
    field
}

/// Returns the value of an absent field; `None` for a message.
fn default(field: &FieldDescriptor, kind: &Kind) -> Option<Value> {
    Some(match field.default_value() {
        ProtoValue::Bool(value) => value.into(),
        ProtoValue::I32(value) => value.into(),
        ProtoValue::I64(value) => value.into(),
        ProtoValue::U32(value) => value.into(),
        ProtoValue::U64(value) => value.into(),
        // The schema's notation cannot express a NaN default.
        ProtoValue::F32(value) if !value.is_nan() => f64::from(value).into(),
        ProtoValue::F64(value) if !value.is_nan() => value.into(),
        ProtoValue::String(value) => value.into(),
        ProtoValue::Bytes(value) => Value::Bytes(value.to_vec().into()),
        ProtoValue::EnumNumber(number) => match field.kind() {
            ProtoKind::Enum(names) => names.get_value(number)?.name().into(),
            _ => return None,
        },
        _ => return None,
    })
    .filter(|_| !matches!(kind, Kind::Record(_) | Kind::Any))
}

fn place<'a>(file: &'a FileDescriptorProto, path: &[i32]) -> Place<'a> {
    let found = file.source_code_info.iter().flat_map(|info| &info.location).find(|each| each.path == path);
    let at = |index: usize| found.and_then(|each| each.span.get(index)).map_or(0, |at| *at as usize) + 1;
    Place { file: file.name.as_deref().unwrap_or_default(), line: at(0), column: at(1) }
}

/// Returns the comment before or after this part, on one line.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let found = file.source_code_info.iter().flat_map(|info| &info.location).find(|each| each.path == path);
    let text = found.and_then(|each| each.leading_comments.as_ref().or(each.trailing_comments.as_ref()));
    let words: Vec<&str> = text.map_or("", String::as_str).split_whitespace().collect();
    words.join(" ")
}
