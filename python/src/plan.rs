//! Plans of generated classes, made at import: attributes, keys and types.
//!
//! If a message does not fit the plan, `from_value` reports why.

use std::sync::Arc;

use linkspan::schema::Width;
use linkspan::value::plan::{self, Absent, Fit};
use linkspan::{DType, Order};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::class_plan::{Class, Default, Field, Record, Shape, Slot};
use crate::errors::Outcome;
use crate::message::Message;

/// How a generated class, or a value in it, is decoded.
#[pyclass(frozen, module = "linkspan.generated")]
pub struct Plan(Arc<Shape>);

/// A plan, or the name of a type without parameters.
pub struct Item(Arc<Shape>);

impl<'py> FromPyObject<'_, 'py> for Item {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Item> {
        if let Ok(plan) = given.cast::<Plan>() {
            return Ok(Item(plan.get().0.clone()));
        }
        let name: String = given.extract()?;
        let of = match name.as_str() {
            "any" => Shape::Any,
            "bool" => Shape::Bool,
            "f32" => Shape::F32,
            "f64" => Shape::F64,
            "text" => Shape::Text,
            "bytes" => Shape::Bytes,
            "timestamp" => Shape::Timestamp,
            "uuid" => Shape::Uuid,
            "decimal" => Shape::Decimal,
            name => match Width::ALL.into_iter().find(|width| width.name() == name) {
                Some(width) => Shape::Integer(width.bounds().0, width.bounds().1),
                None => return Err(PyValueError::new_err(format!("no type is called {name}"))),
            },
        };
        Ok(Item(Arc::new(of)))
    }
}

#[pymethods]
impl Plan {
    fn __repr__(&self) -> String {
        let kind = match &*self.0 {
            Shape::List(_) => "a list",
            Shape::Map(_) => "a map",
            _ => "a value",
        };
        format!("<linkspan._native.Plan of {kind}>")
    }

    #[staticmethod]
    fn list(item: Item) -> Plan {
        Plan(Arc::new(Shape::List(item.0)))
    }

    #[staticmethod]
    fn map(item: Item) -> Plan {
        Plan(Arc::new(Shape::Map(item.0)))
    }

    #[staticmethod]
    fn ndarray(dtype: &str, shape: Option<Vec<Option<u64>>>, order: Option<&str>) -> PyResult<Plan> {
        let unknown = |what: &str| PyValueError::new_err(format!("{what} is not known"));
        let dtype = DType::from_name(dtype).ok_or_else(|| unknown(dtype))?;
        let order = order.map(|name| Order::from_name(name).ok_or_else(|| unknown(name))).transpose()?;
        Ok(Plan(Arc::new(Shape::NdArray { dtype, shape, order })))
    }

    #[staticmethod]
    #[pyo3(name = "enum")]
    fn of_enum(cls: &Bound<'_, PyType>, default: Option<Py<PyAny>>) -> PyResult<Plan> {
        let known = cls.getattr("_value2member_map_")?.cast_into::<PyDict>()?;
        let members = known.iter().map(|(value, member)| Ok((value.extract()?, member.unbind())));
        Ok(Plan(Arc::new(Shape::Enum { members: members.collect::<PyResult<_>>()?, default })))
    }

    /// Makes the plan of a dataclass with slots: attribute, key, type, and whether None is omitted.
    #[staticmethod]
    fn record(cls: &Bound<'_, PyType>, fields: Vec<(String, Vec<String>, Item, bool)>) -> PyResult<Plan> {
        let declared = cls.getattr("__dataclass_fields__")?;
        let missing = cls.py().import("dataclasses")?.getattr("MISSING")?;
        let made = fields.into_iter().map(|(name, keys, of, optional)| {
            let field = declared.get_item(&name)?;
            let (default, factory) = (field.getattr("default")?, field.getattr("default_factory")?);
            let (absent, default) = match () {
                () if optional => (Absent::Null, Default::Null),
                () if !default.is(&missing) => (Absent::Default, Default::Value(default.unbind())),
                () if !factory.is(&missing) => (Absent::Default, Default::Made(factory.unbind())),
                () => (Absent::Refused, Default::Null),
            };
            let handle = Field { slot: Slot::new(cls, &name)?, default };
            Ok(plan::Field { keys, of: of.0, absent, handle })
        });
        let fields = made.collect::<PyResult<_>>()?;
        Ok(Plan(Arc::new(Shape::Record(Record { class: Class::new(cls)?, fields }))))
    }

    /// Makes the plan of a union: key, class, attribute and type of each variant.
    #[staticmethod]
    fn union(variants: Vec<(String, Bound<'_, PyType>, String, Item)>) -> PyResult<Plan> {
        let made = variants.into_iter().map(|(key, class, name, of)| {
            let handle = Field { slot: Slot::new(&class, &name)?, default: Default::Null };
            let field = plan::Field { keys: vec![key], of: of.0, absent: Absent::Refused, handle };
            Ok(Record { class: Class::new(&class)?, fields: vec![field] })
        });
        Ok(Plan(Arc::new(Shape::Union(made.collect::<PyResult<_>>()?))))
    }

    /// Decodes a message to an instance of this class; None if the message does not fit.
    fn decode<'py>(
        &self,
        cls: &Bound<'py, PyType>,
        message: &Bound<'py, Message>,
    ) -> Outcome<Option<Bound<'py, PyAny>>> {
        let py = message.py();
        if !matches!(&*self.0, Shape::Record(record) if record.class.0.is(cls)) {
            return Ok(None);
        }
        let arrived = &message.get().arrived;
        let fit = Fit::new(&self.0, message.get().builder(py));
        Ok(arrived.walk_into(fit).ok().and_then(|fit| fit.into_inner().take()))
    }
}
