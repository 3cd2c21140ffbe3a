//! Imports of Python: real files, every kind of annotation, generated classes, and refused files.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

#[path = "../../../../rust-core/value/tests/vectors/random.rs"]
mod random;
mod support;

use std::path::{Path, PathBuf};

use linkspan::ErrorKind;
use linkspan::schema::{Field, Kind, Schema};
use linkspan_schema::generate::{Language, generate};
use linkspan_schema_convert::import::{Import, Notation, Options, import};
use support::{fields, message as class};

fn vectors(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests").join(name)
}

fn written(text: impl AsRef<[u8]>, options: &Options) -> linkspan::Result<Import> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.py");
    std::fs::write(&file, text).unwrap();
    import(Notation::Python, &file, options)
}

/// Returns the imported schema's notation without its first lines.
fn notation(text: &str) -> String {
    let schema = written(text, &Options::default()).unwrap_or_else(|error| panic!("{error}\n{text}")).schema;
    let text = schema.to_toml();
    text.split_once("\n\n").map_or(text.clone(), |(_, fields)| fields.to_owned())
}

#[test]
fn real_files_of_python() {
    let file = vectors("vectors/schemas/imports/python/safetensors.py");
    let imported = import(Notation::Python, &file, &Options::default()).unwrap();
    assert_eq!(imported.schema.name, "SafetensorsRepoMetadata");
    assert_eq!(
        fields(&imported.schema),
        [
            "metadata?: map of any",
            "sharded: bool",
            "weight_map: map of text",
            "files_metadata: map of record of metadata, tensors, parameter_count",
            "parameter_count: map of i64"
        ]
    );
    assert!(imported.remarks[0].place.ends_with("safetensors.py:32:19"), "{:?}", imported.remarks);
    assert!(imported.remarks[0].text.contains("shorter tuples are accepted"), "{:?}", imported.remarks);
    let tensor = import(Notation::Python, &file, &class("TensorInfo")).unwrap().schema;
    let Kind::Record(of) = &tensor.root.kind else { panic!("{}", tensor.root) };
    assert!(matches!(&of[0].of.kind, Kind::Enum(values) if values.len() == 11), "{}", of[0].of);

    let file = vectors("vectors/schemas/imports/python/controller_statistics.py");
    let rssi = import(Notation::Python, &file, &class("BackgroundRSSIDataType")).unwrap().schema;
    assert_eq!(
        fields(&rssi),
        [
            "timestamp?: i64",
            "channel0?: record of average, current",
            "channel1?: record of average, current",
            "channel2?: record of average, current"
        ]
    );
    let several = import(Notation::Python, &file, &Options::default()).unwrap_err();
    assert!(several.text().contains("--class: the file has ControllerLifelineRoutesDataType, "), "{several}");
    let other = import(Notation::Python, &file, &class("ControllerLifelineRoutes")).unwrap_err();
    assert!(
        other.text().contains(
            "controller_statistics.py:26:13: Client comes from ...client, and no other module is read"
        ),
        "{other}"
    );
}

#[test]
fn every_annotation_that_a_schema_can_express() {
    let text = r#"
import dataclasses as dc, datetime, decimal, enum, typing as t, uuid
import numpy as np
import numpy.typing as npt
from collections.abc import Mapping, Sequence
from datetime import datetime as when

class Mode(enum.StrEnum):
    OFF = enum.auto()
    FULL_ON = "FULL_ON"

class Level(enum.IntEnum):
    LOW = 1
    HIGH = enum.auto()

Celsius = t.NewType("Celsius", float)
Row: t.TypeAlias = list[float]
type Rows = list[Row]
LIMIT = 0x10

class Extra(t.TypedDict, total=False):
    name: t.Required[str]
    note: str
    "a note"

class More(Extra):
    "More."
    size: t.NotRequired[int]
    need: bool

@dc.dataclass
class Base:
    first: int
    second: str = "a\tb"

@dc.dataclass(frozen=True, slots=True)
class Reading(Base):
    """A reading."""

    class Inner(t.TypedDict):
        x: float

    KIND: t.ClassVar[str] = "none"
    secret: dc.InitVar[int]
    _: dc.KW_ONLY
    second: bool = True
    small: np.uint8
    at: datetime.datetime
    seen: when
    id: uuid.UUID
    price: decimal.Decimal = decimal.Decimal("1.50")
    temperature: Celsius = -1.5e3
    rows: Rows = dc.field(default_factory=list)
    limit: int = LIMIT
    mode: Mode = Mode.OFF
    level: Level
    state: t.Literal["ON", "OFF"]
    maybe: t.Optional["Inner"] = None
    union: None | float
    number: int | float = 1
    raw: bytes | bytearray
    anything: t.Any
    names: Mapping[str, Sequence[int]]
    point: tuple[float, float]
    wave: npt.NDArray[np.float32]
    grid: np.ndarray[t.Any, np.dtype[np.int16]]
    more: "list[More]"

    @property
    def half(self) -> float:
        return self.number / 2
"#;
    let imported = written(text, &Options::default()).unwrap();
    assert_eq!(imported.schema.doc, "A reading.");
    assert_eq!(
        fields(&imported.schema),
        [
            "first: i64",
            "second: bool",
            "small: u8",
            "at: timestamp",
            "seen: timestamp",
            "id: uuid",
            "price: decimal",
            "temperature: f64",
            "rows: list of list of f64",
            "limit: i64",
            "mode: enum of off, FULL_ON",
            "level: i64, [1, 2]",
            "state: enum of ON, OFF",
            "maybe?: record of x",
            "union?: f64",
            "number: f64",
            "raw: bytes",
            "anything: any",
            "names: map of list of i64",
            "point: list of at most 2 f64",
            "wave: ndarray of f32",
            "grid: ndarray of i16",
            "more: list of record of name, note, size, need",
        ]
    );
    let toml = imported.schema.to_toml();
    for part in [
        "[fields.second]\ntype = \"bool\"\ndefault = true\n",
        "default = \"1.50\"\n",
        "default = -1500.0\n",
        "default = []\n",
        "[fields.limit]\ntype = \"i64\"\ndefault = 16\n",
        "default = \"off\"\n",
        "range = [1, 2]\n",
        "[fields.more.of.fields.name]\ntype = \"text\"\n\n[fields.more.of.fields.note]\ntype = \"text\"\noptional = true\ndoc = \"a note\"\n",
        "[fields.more.of.fields.size]\ntype = \"i64\"\noptional = true\n\n[fields.more.of.fields.need]\ntype = \"bool\"\n",
    ] {
        assert!(toml.contains(part), "{part} is not in\n{toml}");
    }
    let remarks: Vec<&str> = imported.remarks.iter().map(|remark| remark.text.as_str()).collect();
    assert_eq!(remarks.len(), 2, "{remarks:?}");
    assert!(
        remarks[0].starts_with("Level is sent by its numbers") && remarks[1].starts_with("shorter tuples")
    );
}

#[test]
fn metadata_of_annotated_gives_widths_units_and_ranges() {
    let text = r#"
from dataclasses import dataclass
from typing import Annotated
from annotated_types import Interval, MaxLen, Unit
from linkspan.generated import SchemaType
import numpy as np, pydantic

@dataclass
class A:
    volts: Annotated[int, SchemaType("u16", unit="V", range=(0, 400), alias="u", doc="the voltage")]
    ratio: Annotated[float, Interval(ge=0, le=1), Unit("W")]
    level: Annotated[int, pydantic.Field(ge=0, gt=-1)]
    word: Annotated[str, SchemaType(max_length=8), "told to people"]
    wave: Annotated[np.ndarray, SchemaType(dtype="f32", shape=("n", 3, "*"), order="column")]
    list: list[Annotated[int, SchemaType("u8")]]
    most: Annotated[list[str], MaxLen(3)]
    maybe: Annotated[float | None, SchemaType("f32")] = None
"#;
    let imported = written(text, &Options::default()).unwrap();
    let expected = "[fields.volts]\ntype = \"u16\"\nunit = \"V\"\nrange = [0, 400]\nalias = [\"u\"]\ndoc = \"the voltage\"\n\n\
        [fields.ratio]\ntype = \"f64\"\nunit = \"W\"\nrange = [0.0, 1.0]\n\n\
        [fields.level]\ntype = \"i64\"\nrange = [0, 9223372036854775807]\n\n\
        [fields.word]\ntype = \"text\"\nmax_length = 8\n\n\
        [fields.wave]\ntype = \"ndarray\"\ndtype = \"f32\"\nshape = [\"n\", 3, \"*\"]\norder = \"column\"\n\n\
        [fields.list]\ntype = \"list\"\nof = \"u8\"\n\n[fields.most]\ntype = \"list\"\nof = \"text\"\n\n\
        [fields.maybe]\ntype = \"f32\"\noptional = true\n";
    assert_eq!(imported.schema.to_toml().split_once("\n\n").unwrap().1, expected);
    let remarks: Vec<_> =
        imported.remarks.iter().map(|remark| (remark.place.as_str(), remark.text.as_str())).collect();
    assert_eq!(remarks.len(), 2, "{remarks:?}");
    assert!(
        remarks[0].0.ends_with("it.py:12:51")
            && remarks[0].1 == "gt is not checked: a schema has no word for it",
        "{remarks:?}"
    );
    assert!(remarks[1].1.starts_with("MaxLen(…) is not checked"), "{remarks:?}");
}

#[test]
fn default_that_the_notation_has_none_for_makes_the_field_optional() {
    let text = r#"
from dataclasses import dataclass, field
from typing import Any

@dataclass
class Setting:
    number: Any = 1
    made: Any = field(default_factory=object)
    maybe: Any = None
    entries: dict[str, Any] = field(default_factory=lambda: {"a": 1})
    items: list[Any] = field(default_factory=lambda: [1, "b"])
    empty: dict[str, Any] = field(default_factory=dict)
    last: float = 2.5
"#;
    let imported = written(text, &Options::default()).unwrap();
    assert_eq!(
        fields(&imported.schema),
        [
            "number?: any",
            "made?: any",
            "maybe?: any",
            "entries?: map of any",
            "items?: list of any",
            "empty: map of any",
            "last: f64",
        ]
    );
    let optional = "values of any type have no default in a schema, and the field is optional instead";
    let remarks: Vec<_> = imported.remarks.iter().map(|remark| remark.text.as_str()).collect();
    assert_eq!(remarks.len(), 4, "{remarks:?}");
    assert!(remarks.iter().all(|text| text.ends_with(optional)), "{remarks:?}");
}

/// Returns the notation without descriptions, which span several lines.
fn without_words(schema: &Schema) -> String {
    schema
        .to_toml()
        .lines()
        .filter(|line| !line.starts_with("doc = "))
        .fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn generated_classes_give_their_schema_again() {
    let mut files: Vec<PathBuf> = ["vectors/schemas", "schemas/schemas"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(vectors(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let mut texts: Vec<(String, String)> = files
        .iter()
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap()))
        .collect();
    for name in ["schema_values.json", "schema_texts.json"] {
        let text = std::fs::read_to_string(vectors("vectors").join(name)).unwrap();
        let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
        for case in cases.as_array().unwrap() {
            let schema = case.get("schema").or_else(|| case.get("text")).and_then(|text| text.as_str());
            texts.extend(schema.map(|schema| (format!("{name}: {}", case["name"]), schema.to_owned())));
        }
    }
    let mut same = 0;
    for (name, text) in texts {
        let Ok(schema) = Schema::parse(&text) else { continue };
        let is_record = matches!(schema.root.kind, Kind::Record(_) | Kind::Table(_));
        let Ok(made) = generate(&schema, Language::Python) else { continue };
        if !is_record {
            continue;
        }
        let back = written(&made[0].text, &Options::default())
            .unwrap_or_else(|error| panic!("{name}: {error}\n{}", made[0].text));
        assert_eq!(without_words(&back.schema), without_words(&schema), "{name}\n{}", made[0].text);
        assert_eq!(back.schema.fingerprint().unwrap(), schema.fingerprint().unwrap(), "{name}");
        assert!(back.remarks.is_empty(), "{name}: {:?}", back.remarks);
        same += 1;
    }
    assert!(same > 30, "{same}");
}

#[test]
fn descriptions_round_trip_without_generated_additions() {
    let schema = Schema::parse("name = \"a.b\"\nversion = 7\ndoc = \"All of it.\"\n[fields]\nx = { type = \"u8\", unit = \"V\", default = 3, doc = \"The voltage of the \\\"left\\\" side.\" }\n").unwrap();
    let made = generate(&schema, Language::Python).unwrap();
    assert_eq!(written(&made[0].text, &Options::default()).unwrap().schema, schema);
    let commented = "from dataclasses import dataclass\n@dataclass\nclass A:\n    #: in front\n    #: of it\n    x: int\n    y: int  #: behind it\n    # not told\n    z: int\n";
    let toml = notation(commented);
    assert!(
        toml.contains("doc = \"in front of it\"")
            && toml.contains("doc = \"behind it\"")
            && !toml.contains("not told"),
        "{toml}"
    );
}

#[test]
fn classes_with_one_field_each_are_a_union() {
    let head = "from dataclasses import dataclass\n@dataclass\nclass A:\n    a: int\n@dataclass\nclass B:\n    b: str\n";
    let toml = notation(&format!("{head}@dataclass\nclass R:\n    x: A | B | None = None\n"));
    assert_eq!(
        toml,
        "[fields.x]\ntype = \"union\"\noptional = true\n\n[fields.x.variants.a]\ntype = \"i64\"\n\n[fields.x.variants.b]\ntype = \"text\"\n"
    );
}

#[test]
fn what_python_says_and_a_schema_cannot_is_refused_by_place() {
    let head = "from dataclasses import dataclass, field\nfrom typing import *\nimport typing as t, datetime, enum, numpy as np\nfrom other import Thing\nfrom linkspan.generated import SchemaType\n";
    let plain = "@dataclass\nclass A:\n    x: ";
    for (text, place, why) in [
        (format!("{plain}Thing"), "8:8", "Thing comes from other, and no other module is read"),
        (format!("{plain}Nothing"), "8:8", "no class, type or import is called Nothing"),
        (format!("{plain}int | str"), "8:8", "int | str cannot be expressed"),
        (format!("{plain}'A'"), "8:8", "A contains itself"),
        (format!("{plain}list['A | None']"), "8:13", "A contains itself"),
        (format!("{plain}set[int]"), "8:8", "cannot be sent: use list"),
        (format!("{plain}dict[int, str]"), "8:13", "the keys of a map are text"),
        (format!("{plain}list[int | None]"), "8:13", "None in a list"),
        (format!("{plain}t.Literal[1, 2]"), "8:18", "a Literal of texts is an enum"),
        (format!("{plain}t.Literal['a-b']"), "8:18", "cannot be a value of an enum"),
        (format!("{plain}tuple[int, str]"), "8:8", "a tuple of different types"),
        (format!("{plain}datetime.timedelta"), "8:8", "seconds as float"),
        (format!("{plain}complex"), "8:8", "use an array of complex128"),
        (format!("{plain}np.ndarray"), "8:8", "does not name its elements"),
        (format!("{plain}int = None"), "8:14", "None is no i64"),
        (format!("{plain}int = 'a'"), "8:14", "cannot be the default of i64"),
        (format!("{plain}float = field(default_factory=lambda: now())"), "8:46", "now(…) cannot be the default of f64"),
        (format!("{plain}float = field(default_factory=now)"), "8:38", "is called for each object, and nothing is run here"),
        (format!("{plain}t.Annotated[int, SchemaType('f32')]"), "8:36", "does not go with i64"),
        (format!("{plain}t.Annotated[int, SchemaType(unit='Watt')]"), "8:41", "UCUM does not know"),
        (format!("{plain}t.Annotated[str, SchemaType(unit='V')]"), "8:5", "unit"),
        (format!("{plain}t.Annotated[int, SchemaType(width=3)]"), "8:42", "SchemaType has no \"width\""),
        (format!("{plain}1 + 1"), "8:8", "is not an annotation of a field"),
        (format!("{plain}'int['"), "8:8", "the text is not an annotation"),
        (format!("{plain}int\n    ü: int"), "9:5", "cannot name a field"),
        (format!("{plain}int\nclass B(A, Thing):\n    y: int"), "9:12", "the base Thing of B is not in this file"),
        ("@dataclass\nclass A[T]:\n    x: int".to_owned(), "7:1", "has type parameters"),
        ("@dataclass\nclass A(t.Generic[T]):\n    x: int".to_owned(), "7:9", "A is generic"),
        ("class B:\n    x: int\n@dataclass\nclass A:\n    b: B".to_owned(), "10:8", "put @dataclass before it"),
        ("class F(enum.Flag):\n    X = 1\n@dataclass\nclass A:\n    f: F".to_owned(), "10:8", "has flags"),
        ("class E(enum.Enum):\n    X = 1.5\n@dataclass\nclass A:\n    e: E".to_owned(), "7:5", "a text or an integer"),
        ("@dataclass\nclass A:\n    x: int\n@dataclass\nclass A:\n    y: int".to_owned(), "10:1", "more than once"),
        ("@dataclass\nclass A:\n    pass".to_owned(), "7:1", "has no fields"),
        ("@dataclass\nclass B:\n    x: int\n    y: int\n@dataclass\nclass C:\n    x: int\n@dataclass\nclass A:\n    f: B | C".to_owned(), "15:8", "classes with one required field each"),
        ("class A(:\n    x: int".to_owned(), "6:", ""),
    ] {
        let error = written(format!("{head}{text}\n"), &Options::default()).err().unwrap_or_else(|| panic!("accepted:\n{text}"));
        assert!(error.text().contains(&format!("it.py:{place}")) && error.text().contains(why), "{place} {why}:\n{error}\n{text}");
    }
}

#[test]
fn python_files_that_would_take_memory_or_have_no_end_are_refused() {
    let refused = |text: &[u8]| written(text, &Options::default()).unwrap_err();
    assert_eq!(refused(&vec![b' '; 10 << 20]).kind(), ErrorKind::TooLarge);
    assert_eq!(refused(b"x = '\xff'\n").kind(), ErrorKind::Malformed);
    assert_eq!(
        refused(b"from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\0\n").kind(),
        ErrorKind::Malformed
    );
    assert!(refused(b"").text().contains("the file has no dataclass"));
    let head = "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: ";
    let deep = |levels: usize| format!("{head}{}int{}\n", "list[".repeat(levels), "]".repeat(levels));
    assert!(written(deep(10), &Options::default()).is_ok());
    for levels in [23, 60, 5_000] {
        assert!(refused(deep(levels).as_bytes()).text().contains("it.py:4:"), "{levels}");
    }
    for text in ["-".repeat(200_000), "(".repeat(200_000), "x|".repeat(100_000), "f\"{".repeat(60_000)] {
        refused(format!("{head}{text}1\n").as_bytes());
    }
    let nested: String = (0..300).map(|level| format!("{}class A:\n", " ".repeat(level))).collect();
    assert_eq!(
        refused(format!("{nested}{}x: int\n", " ".repeat(300)).as_bytes()).kind(),
        ErrorKind::TooLarge
    );
    // Cyclic names, a base that is its own base, a default that is its own value.
    for text in [
        "X = Y\nY = X\n@d\nclass A:\n    x: X",
        "@d\nclass A(B):\n    x: int\n@d\nclass B(A):\n    y: int",
        "X = X\n@d\nclass A:\n    x: int = X",
        "X = 'X'\n@d\nclass A:\n    x: X",
    ] {
        written(format!("from dataclasses import dataclass as d\n{text}\n"), &class("A")).unwrap_err();
    }
    // Each class refers to the next one twice.
    let doubling: String =
        (0..30).map(|at| format!("@d\nclass C{at}:\n    a: 'C{0}'\n    b: 'C{0}'\n", at + 1)).collect();
    let doubling = format!("from dataclasses import dataclass as d\n{doubling}@d\nclass C30:\n    x: int\n");
    assert_eq!(refused(doubling.as_bytes()).kind(), ErrorKind::TooLarge);
}

#[test]
fn changed_python_files_are_imported_or_refused_with_a_place() {
    let mut random = random::Random(random::seed() | 1);
    let schema = std::fs::read_to_string(vectors("schemas/schemas/everything.schema.toml")).unwrap();
    let made = generate(&Schema::parse(&schema).unwrap(), Language::Python).unwrap();
    let safetensors =
        std::fs::read_to_string(vectors("vectors/schemas/imports/python/safetensors.py")).unwrap();
    // Mutates only the part with the classes, because other parts do not affect the result.
    let classes = made[0].text.find("class ").unwrap();
    let (head, body) = made[0].text.split_at(made[0].text[..classes].rfind("\nFINGERPRINT").unwrap());
    let head = head.replace(&head[head.find("SCHEMA = ").unwrap()..], "");
    let mut accepted = 0;
    for text in [format!("{head}{body}"), safetensors] {
        for _ in 0..200 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..1 + random.next(3) {
                let at = random.next(bytes.len());
                match random.next(4) {
                    0 if bytes.len() > 1 => drop(bytes.remove(at)),
                    1 => bytes.insert(at, b"{}[]()=:,|#\"0aZ \n\t'@.\\\xff"[random.next(23)]),
                    2 => bytes.swap(at, 0),
                    _ => bytes.truncate(at.max(bytes.len() / 2)),
                }
            }
            match written(&bytes, &Options::default()) {
                Ok(_) => accepted += 1,
                Err(error) => assert!(error.to_string().contains("it.py"), "{error}"),
            }
        }
    }
    assert!(accepted > 0);
}

#[test]
fn names_of_fields_are_those_of_messages() {
    let schema = Schema::parse("name = \"a\"\n[fields]\nclass = \"u8\"\nCamelCase = \"bool\"\n").unwrap();
    let made = generate(&schema, Language::Python).unwrap();
    assert!(made[0].text.contains("class_: "), "{}", made[0].text);
    let back = written(&made[0].text, &Options::default()).unwrap().schema;
    let Kind::Record(fields) = &back.root.kind else { panic!("{}", back.root) };
    assert_eq!(
        fields.iter().map(|field: &Field| field.name.as_str()).collect::<Vec<_>>(),
        ["class", "CamelCase"]
    );
}
