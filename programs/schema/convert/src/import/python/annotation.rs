//! Converts Python annotations to types of a schema.
//!
//! The source is never run. A name is followed to its class, alias or `NewType` in this file, or to its imported
//! module. Of modules, only the types of the standard library, NumPy and Linkspan are known. Every error contains the
//! annotation's place and, if possible, an alternative.

use linkspan::schema::{Field, Kind, Type, Width};
use linkspan::{DType, ErrorKind, Result};

use super::enumeration::no_name;
use super::expression::{Expr, What, refused, shown};
use super::module::Meaning;
use super::reader::Reader;

pub(super) struct Read {
    pub(super) of: Type,
    pub(super) is_nullable: bool,
    /// Set by `Required` and `NotRequired`.
    pub(super) is_required: Option<bool>,
    pub(super) aliases: Vec<String>,
    pub(super) doc: String,
}

impl From<Kind> for Read {
    fn from(kind: Kind) -> Read {
        Read {
            of: Type::plain(kind),
            is_nullable: false,
            is_required: None,
            aliases: Vec::new(),
            doc: String::new(),
        }
    }
}

impl Reader<'_> {
    /// Reads an annotation. Name look-up begins in the class at the path `within`.
    ///
    /// # Errors
    /// `Unsupported` for an inexpressible annotation, `Malformed` for other texts, `NotFound` for an unknown name,
    /// `TooLarge` above the number of types of a schema.
    pub(super) fn annotation(&mut self, of: &Expr, within: &str) -> Result<Read> {
        let place = self.source.place(of.at);
        self.budget.take(place)?;
        match &of.what {
            What::Name(name) => self.name(of, name, within),
            What::Text(text) => {
                let inner = self.source.quoted(text, of.at)?;
                match inner.what {
                    What::Text(_) => {
                        Err(refused(place, ErrorKind::Malformed, &inner, "is not an annotation"))
                    }
                    _ => self.annotation(&inner, within),
                }
            }
            What::Choice(all) => self.choice(all, of.at, within),
            What::Subscript(outer, arguments) => self.subscript(of, outer, arguments, within),
            What::None => {
                Err(place.unsupported("None alone cannot be expressed: name the type that may be None"))
            }
            _ => Err(refused(place, ErrorKind::Unsupported, of, "is not an annotation of a field")),
        }
    }

    /// Reads a name without brackets: a class, an alias, or a known type.
    fn name(&mut self, of: &Expr, name: &str, within: &str) -> Result<Read> {
        let place = self.source.place(of.at);
        let full = match self.module.meaning(name, within) {
            Meaning::Class(class) => {
                let read = self.class(&class, of.at)?;
                return Ok(Read { of: read, ..Read::from(Kind::Any) });
            }
            Meaning::Assigned(value) => {
                let value = value.clone();
                // NewType("Name", int) is int.
                let inner = match &value.what {
                    What::Call(_, given, _) if self.module.known(&value, "") == "typing.NewType" => {
                        given.get(1).cloned().unwrap_or(value)
                    }
                    What::Name(_) | What::Subscript(..) | What::Choice(_) | What::Text(_) => value,
                    _ => {
                        let text = format!("{name} is not a type: a type is named, or written as a class");
                        return Err(place.unsupported(text));
                    }
                };
                // An alias may refer to itself.
                self.enter(&format!("={name}"), place)?;
                let read = self.annotation(&inner, "");
                self.leave();
                return read;
            }
            Meaning::Known(full) => full,
        };
        if let Some(kind) = known(&full) {
            return Ok(kind.into());
        }
        let short = full.rsplit('.').next().unwrap_or(&full).to_owned();
        Err(match full.as_str() {
            "complex" => place.unsupported("complex cannot be expressed: use an array of complex128"),
            "set" | "frozenset" | "typing.Set" | "typing.FrozenSet" => {
                place.unsupported(format!("{short} cannot be sent: use list"))
            }
            "tuple" | "typing.Tuple" => {
                place.unsupported("a tuple needs the type of its elements: tuple[float, ...]")
            }
            "datetime.date" | "datetime.time" | "datetime.timedelta" => {
                place.unsupported(format!("{name} cannot be expressed: use datetime, or seconds as float"))
            }
            "numpy.ndarray" | "numpy.typing.NDArray" | "linkspan.NdArray" => {
                place.unsupported(format!("{name} does not name its elements: write npt.NDArray[np.float64]"))
            }
            "typing.Optional" | "typing.Union" | "typing.Literal" | "typing.Annotated" => {
                place.error(ErrorKind::Malformed, format!("{name} asks for arguments in []"))
            }
            _ if full.contains('.') => place.unsupported(format!(
                "{name} comes from {}, and no other module is read: put its class into this file, or use Any",
                full.rsplit_once('.').map_or("", |(module, _)| module)
            )),
            _ => place.error(ErrorKind::NotFound, format!("no class, type or import is called {name}")),
        })
    }

    fn subscript(&mut self, of: &Expr, outer: &Expr, arguments: &[Expr], within: &str) -> Result<Read> {
        let place = self.source.place(of.at);
        let full = self.module.known(outer, within);
        let wants = |count: usize| {
            if arguments.len() == count {
                return Ok(());
            }
            let text = format!("{} asks for {count} types in [], not {}", shown(outer), arguments.len());
            Err(place.error(ErrorKind::Malformed, text))
        };
        // Both modules have the same names for these types.
        let short = match full.rsplit_once('.') {
            Some(("typing" | "collections.abc" | "collections", short)) => short,
            None => full.as_str(),
            _ => "",
        };
        match short {
            "Optional" => {
                wants(1)?;
                let mut read = self.annotation(&arguments[0], within)?;
                read.is_nullable = true;
                Ok(read)
            }
            "Union" => self.choice(arguments, of.at, within),
            "Annotated" => {
                let Some((first, metadata)) = arguments.split_first() else {
                    return wants(2).map(|()| Kind::Any.into());
                };
                let mut read = match self.untyped_array(first, within) {
                    true => Kind::NdArray { dtype: DType::F64, shape: None, order: None }.into(),
                    false => self.annotation(first, within)?,
                };
                for each in metadata {
                    self.metadata(&mut read, each)?;
                }
                Ok(read)
            }
            "Required" | "NotRequired" | "ReadOnly" | "Final" => {
                wants(1)?;
                let mut read = self.annotation(&arguments[0], within)?;
                match short {
                    "Required" => read.is_required = Some(true),
                    "NotRequired" => read.is_required = Some(false),
                    _ => {}
                }
                Ok(read)
            }
            "list" | "List" | "Sequence" | "MutableSequence" | "Iterable" | "Collection" | "deque"
            | "Deque" => {
                wants(1)?;
                self.items(&arguments[0], None, within)
            }
            "tuple" | "Tuple" => match arguments {
                [each, Expr { what: What::Ellipsis, .. }] => self.items(each, None, within),
                [first, rest @ ..] if rest.iter().all(|other| other.what == first.what) => {
                    let most = arguments.len() as u64;
                    self.remark(
                        of.at,
                        format!("shorter tuples are accepted, too: a list has no least length, here {most}"),
                    );
                    self.items(first, Some(most), within)
                }
                _ => Err(place.unsupported(
                    "a tuple of different types cannot be expressed: write a class with a field for each",
                )),
            },
            "dict" | "Dict" | "Mapping" | "MutableMapping" | "OrderedDict" | "defaultdict"
            | "DefaultDict" => {
                wants(2)?;
                let keys = self.annotation(&arguments[0], within)?;
                if !matches!(keys.of.kind, Kind::Text(_) | Kind::Enum(_)) || keys.is_nullable {
                    let place = self.source.place(arguments[0].at);
                    return Err(place.unsupported("the keys of a map are text: use dict[str, …]"));
                }
                if let Kind::Enum(_) = keys.of.kind {
                    let text = "any text is accepted as a key: the keys of a map have no type".to_owned();
                    self.remark(arguments[0].at, text);
                }
                let each = self.whole(&arguments[1], within)?;
                Ok(Kind::Map(Box::new(each)).into())
            }
            "Literal" => self.literal(arguments, of.at),
            _ => match full.as_str() {
                "numpy.typing.NDArray" => {
                    wants(1)?;
                    self.array(&arguments[0], within)
                }
                "numpy.ndarray" => match arguments {
                    [_, Expr { what: What::Subscript(dtype, inner), .. }]
                        if self.module.known(dtype, within) == "numpy.dtype" && inner.len() == 1 =>
                    {
                        self.array(&inner[0], within)
                    }
                    _ => Err(place.unsupported("write an array as npt.NDArray[np.float64]")),
                },
                "dataclasses.InitVar" | "typing.ClassVar" => Err(place.error(
                    ErrorKind::Malformed,
                    format!("{} stands around the whole annotation", shown(outer)),
                )),
                "set" | "frozenset" | "typing.Set" | "typing.FrozenSet" | "typing.AbstractSet" => {
                    Err(place.unsupported(format!("{} cannot be sent: use list", shown(outer))))
                }
                "" => Err(place.unsupported(format!(
                    "{} has type parameters, and a schema has none: write a class for each type",
                    shown(outer)
                ))),
                _ => Err(place.unsupported(format!(
                    "{} cannot be expressed: use a class of this file, list, dict or Any",
                    shown(of)
                ))),
            },
        }
    }

    /// Returns a type that cannot be None.
    fn whole(&mut self, of: &Expr, within: &str) -> Result<Type> {
        let read = self.annotation(of, within)?;
        if read.is_nullable && read.of.kind != Kind::Any {
            let place = self.source.place(of.at);
            return Err(
                place.unsupported("None in a list or a map cannot be expressed: use Any for the values")
            );
        }
        Ok(read.of)
    }

    fn items(&mut self, of: &Expr, most: Option<u64>, within: &str) -> Result<Read> {
        let place = self.source.place(of.at);
        self.budget.enter(place)?;
        let each = self.whole(of, within)?;
        self.budget.leave();
        Ok(Kind::List(Box::new(each), most).into())
    }

    /// Returns whether this is an array whose element type is only in the metadata.
    fn untyped_array(&self, of: &Expr, within: &str) -> bool {
        matches!(of.what, What::Name(_))
            && matches!(self.module.known(of, within).as_str(), "numpy.ndarray" | "linkspan.NdArray")
    }

    fn array(&mut self, of: &Expr, within: &str) -> Result<Read> {
        let full = self.module.known(of, within);
        let name = full.strip_prefix("numpy.").unwrap_or(&full);
        let dtype = numpy(name).ok_or_else(|| {
            self.source.place(of.at).unsupported(format!(
                "arrays of {} cannot be expressed: use a type of NumPy such as np.float64",
                shown(of)
            ))
        })?;
        Ok(Kind::NdArray { dtype, shape: None, order: None }.into())
    }

    fn literal(&mut self, arguments: &[Expr], at: usize) -> Result<Read> {
        let mut values: Vec<String> = Vec::new();
        let mut is_nullable = false;
        for each in arguments {
            let place = self.source.place(each.at);
            match &each.what {
                What::None => is_nullable = true,
                What::Text(value) if !Field::is_name(value) => return Err(place.unsupported(no_name(value))),
                What::Text(value) if values.contains(value) => {}
                What::Text(value) => values.push(value.clone()),
                _ => {
                    return Err(place
                        .unsupported("a Literal of texts is an enum; for others use the type of the value"));
                }
            }
        }
        if values.is_empty() {
            return Err(self.source.place(at).unsupported("an enum has at least one value"));
        }
        Ok(Read { is_nullable, ..Kind::Enum(values).into() })
    }

    /// Reads a choice: a type or None, an integer or a float, or classes with one field each.
    fn choice(&mut self, all: &[Expr], at: usize, within: &str) -> Result<Read> {
        let others: Vec<&Expr> = all.iter().filter(|each| each.what != What::None).collect();
        let is_nullable = others.len() < all.len();
        if let [one] = others[..] {
            let mut read = self.annotation(one, within)?;
            read.is_nullable |= is_nullable;
            return Ok(read);
        }
        let classes: Vec<(String, usize)> = others
            .iter()
            .filter_map(|each| match &each.what {
                What::Name(name) => match self.module.meaning(name, within) {
                    Meaning::Class(class) if self.is_record(&class) => Some((class, each.at)),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        if classes.len() == others.len() {
            let of = self.union(&classes, at)?;
            return Ok(Read { of, is_nullable, ..Read::from(Kind::Any) });
        }
        let mut names: Vec<String> = others.iter().map(|each| self.module.known(each, within)).collect();
        names.sort();
        if names == ["float", "int"] {
            return Ok(Read { is_nullable, ..Kind::F64.into() });
        }
        if names.iter().all(|name| matches!(name.as_str(), "bytes" | "bytearray" | "memoryview")) {
            return Ok(Read { is_nullable, ..Kind::Bytes(None).into() });
        }
        if names.iter().any(|name| matches!(name.as_str(), "typing.Any" | "object")) {
            return Ok(Read { is_nullable, ..Kind::Any.into() });
        }
        let text = format!(
            "{} cannot be expressed: use one type, Any, or classes with one field each",
            others.iter().map(|each| shown(each)).collect::<Vec<_>>().join(" | ")
        );
        Err(self.source.place(at).unsupported(text))
    }
}

fn known(full: &str) -> Option<Kind> {
    let any = || Box::new(Type::plain(Kind::Any));
    Some(match full {
        "bool" => Kind::Bool,
        "int" => Kind::Integer(Width::I64),
        "float" => Kind::F64,
        "str" => Kind::Text(None),
        "bytes" | "bytearray" | "memoryview" => Kind::Bytes(None),
        "object" | "typing.Any" => Kind::Any,
        "datetime.datetime" | "linkspan.Timestamp" | "linkspan.timestamp.Timestamp" => Kind::Timestamp,
        "uuid.UUID" => Kind::Uuid,
        "decimal.Decimal" => Kind::Decimal,
        "list" | "typing.List" | "typing.Sequence" | "collections.abc.Sequence" => Kind::List(any(), None),
        "dict" | "typing.Dict" | "typing.Mapping" | "collections.abc.Mapping" => Kind::Map(any()),
        _ => match numpy(full.strip_prefix("numpy.")?)? {
            DType::Bool => Kind::Bool,
            DType::F32 => Kind::F32,
            DType::F64 => Kind::F64,
            DType::C64 | DType::C128 => return None,
            integer => Kind::Integer(Width::ALL.into_iter().find(|width| width.name() == integer.name())?),
        },
    })
}

/// Returns the element type for NumPy's name, or for a Python type that NumPy treats as one.
fn numpy(name: &str) -> Option<DType> {
    Some(match name {
        "bool" | "bool_" => DType::Bool,
        "int8" | "byte" => DType::I8,
        "int16" | "short" => DType::I16,
        "int32" | "intc" => DType::I32,
        "int64" | "longlong" | "int" | "int_" => DType::I64,
        "uint8" | "ubyte" => DType::U8,
        "uint16" | "ushort" => DType::U16,
        "uint32" | "uintc" => DType::U32,
        "uint64" | "ulonglong" => DType::U64,
        "float32" | "single" => DType::F32,
        "float64" | "double" | "float" => DType::F64,
        "complex64" | "csingle" => DType::C64,
        "complex128" | "cdouble" | "complex" => DType::C128,
        _ => return None,
    })
}
