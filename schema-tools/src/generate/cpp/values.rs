//! Statements that write and read one value.

use linkspan::schema::{Length, Width};
use linkspan::value::{DType, Order, Value};

use super::super::native::fixed;
use super::super::{Definition, Shape, Slot, Text};
use super::Cpp;
use super::types::{dtype_name, element, integer};

impl Cpp<'_> {
    pub(super) fn write(
        &self,
        text: &mut Text,
        key: &str,
        slot: &Slot,
        from: &str,
        level: usize,
        is_field: bool,
    ) {
        let put = |what: &str, value: &str| format!("writer_.put_{what}({key}, {value});");
        match &slot.shape {
            Shape::Any => text.line(put("message", from)),
            Shape::Bool => text.line(put("bool", from)),
            Shape::Integer(Width::U8 | Width::U16 | Width::U32 | Width::U64) => text.line(put("u64", from)),
            Shape::Integer(_) => text.line(put("i64", from)),
            Shape::F32 => text.line(put("f64", &format!("static_cast<double>({from})"))),
            Shape::F64 => text.line(put("f64", from)),
            Shape::Text(_) => text.line(put("text", from)),
            Shape::Bytes(_) => text.line(put("bytes", from)),
            Shape::Timestamp => text.line(put("timestamp", from)),
            Shape::Uuid => text.line(put("uuid", from)),
            Shape::Decimal => text.line(put("decimal", from)),
            Shape::List(of, _) => {
                text.line(format!("writer_.begin_array({key});"));
                text.block(format!("for (const auto &item{level}_ : {from}) {{"), "}", |text| {
                    self.write(text, "nullptr", of, &format!("item{level}_"), level + 1, false);
                });
                text.line("writer_.end();");
            }
            Shape::Map(of) => {
                text.line(format!("writer_.begin_map({key});"));
                text.block(
                    format!("for (const auto &[key{level}_, item{level}_] : {from}) {{"),
                    "}",
                    |text| {
                        let key = format!("linkspan::zstring(key{level}_).c_str()");
                        self.write(text, &key, of, &format!("item{level}_"), level + 1, false);
                    },
                );
                text.line("writer_.end();");
            }
            Shape::NdArray { dtype, .. } => match fixed(&slot.shape).filter(|_| is_field) {
                Some(lengths) => text.block("{", "}", |text| {
                    text.line(shape_variable(&lengths.iter().map(u64::to_string).collect::<Vec<_>>()));
                    text.line(format!(
                        "writer_.put_array({key}, {}, linkspan::order::row, shape_, {}, {from}.data());",
                        dtype_name(*dtype),
                        lengths.len(),
                    ));
                }),
                None => text.line(format!("writer_.put_array({key}, {}, {from});", dtype_name(*dtype))),
            },
            Shape::Named(at) => match self.plan.types[*at].definition {
                Definition::Enum(_) => text.line(put("name", &format!("name_of({from})"))),
                _ => text.line(format!("{from}.write(writer_, {key});")),
            },
        }
    }

    pub(super) fn read(
        &self,
        text: &mut Text,
        slot: &Slot,
        to: &str,
        level: usize,
        is_field: bool,
        default: Option<&Value>,
    ) {
        let get = |what: &str| format!("{to} = reader_.get_{what}();");
        match &slot.shape {
            Shape::Any => text.line(get("message")),
            Shape::Bool => text.line(get("bool")),
            Shape::Integer(width) => text.line(get(&format!("integer<{}>", integer(*width)))),
            Shape::F32 => text.line(get("f32")),
            Shape::F64 => text.line(get("f64")),
            Shape::Text(_) => text.line(get("text")),
            Shape::Bytes(_) => text.line(get("bytes")),
            Shape::Timestamp => text.line(get("timestamp")),
            Shape::Uuid => text.line(get("uuid")),
            Shape::Decimal => text.line(get("decimal")),
            Shape::List(of, _) | Shape::Map(of) => {
                let is_map = matches!(slot.shape, Shape::Map(_));
                text.line(format!("{to}.clear();"));
                let begin = if is_map { "begin_entries" } else { "begin_array" };
                text.block(
                    format!("for (std::size_t left{level}_ = reader_.{begin}(); left{level}_ > 0; left{level}_--) {{"),
                    "}",
                    |text| {
                        if is_map {
                            text.line(format!("std::string key{level}_ = reader_.get_key();"));
                        }
                        text.line(format!("{} item{level}_{{}};", self.type_of(&of.shape, false)));
                        self.read(text, of, &format!("item{level}_"), level + 1, false, None);
                        text.line(if is_map {
                            format!("{to}.insert_or_assign(std::move(key{level}_), std::move(item{level}_));")
                        } else {
                            format!("{to}.push_back(std::move(item{level}_));")
                        });
                    },
                );
                text.line("reader_.end();");
            }
            Shape::NdArray { dtype, shape, order } => match fixed(&slot.shape).filter(|_| is_field) {
                Some(lengths) => text.block("{", "}", |text| {
                    text.line(shape_variable(&lengths.iter().map(u64::to_string).collect::<Vec<_>>()));
                    text.line(format!(
                        "reader_.get_elements({}, shape_, {}, {to}.data());",
                        dtype_name(*dtype),
                        lengths.len()
                    ));
                }),
                None => self.read_array(text, to, *dtype, shape.as_deref(), *order),
            },
            Shape::Named(at) => {
                let def = &self.plan.types[*at];
                match (&def.definition, default) {
                    (Definition::Enum(_), Some(value)) => {
                        let unknown = self.initial(&slot.shape, value);
                        text.line(format!(
                            "{to} = read_{}(reader_, static_cast<std::int32_t>({unknown}));",
                            def.name
                        ));
                    }
                    (Definition::Enum(_), None) => {
                        text.line(format!("{to} = read_{}(reader_, -1);", def.name))
                    }
                    _ => text.line(format!("{to}.read(reader_);")),
                }
            }
        }
    }

    pub(super) fn read_array(
        &self,
        text: &mut Text,
        to: &str,
        dtype: DType,
        shape: Option<&[Length]>,
        order: Option<Order>,
    ) {
        let order = match order {
            Some(Order::Row) => "LINKSPAN_ROW",
            Some(Order::Column) => "LINKSPAN_COLUMN",
            _ => "-1",
        };
        let get = format!("reader_.get_array<{}>({}, {order}", element(dtype), dtype_name(dtype));
        match shape {
            None => text.line(format!("{to} = {get}, -1, nullptr);")),
            Some([]) => text.line(format!("{to} = {get}, 0, nullptr);")),
            Some(lengths) => text.block("{", "}", |text| {
                let lengths: Vec<String> = lengths
                    .iter()
                    .map(|length| match length {
                        Length::Fixed(length) => length.to_string(),
                        _ => "UINT64_MAX".to_owned(),
                    })
                    .collect();
                text.line(shape_variable(&lengths));
                text.line(format!("{to} = {get}, {}, shape_);", lengths.len()));
            }),
        }
    }
}

pub(super) fn shape_variable(lengths: &[String]) -> String {
    format!("static constexpr std::uint64_t shape_[] = {{{}}};", lengths.join(", "))
}
