//! Statements that write values.

use linkspan::schema::Width;
use linkspan::value::Order;

use super::super::native::{self, fixed};
use super::super::{Definition, Shape, Slot, Text};
use super::Fortran;

impl Fortran<'_> {
    /// Statements that write a value. `key` is the argument behind the value, `, "name"`, or nothing in a list.
    pub(super) fn write(
        &self,
        text: &mut Text,
        key: &str,
        slot: &Slot,
        from: &str,
        level: usize,
        is_there: bool,
    ) {
        let only_key = key.trim_start_matches(", ");
        let put = |what: &str, value: &str| format!("call writer%put_{what}({value}{key})");
        match &slot.shape {
            Shape::Any => text.line(put("message", from)),
            Shape::Bool => text.line(put("bool", from)),
            Shape::Integer(Width::U64) => text.line(put("u64", from)),
            Shape::Integer(Width::I64 | Width::U32) => text.line(put("i64", from)),
            Shape::Integer(_) => text.line(put("i64", &format!("int({from}, int64)"))),
            Shape::F32 => text.line(put("f64", &format!("real({from}, real64)"))),
            Shape::F64 => text.line(put("f64", from)),
            Shape::Timestamp => text.line(put("timestamp", from)),
            Shape::Uuid => text.line(put("uuid", from)),
            Shape::Text(_) => {
                self.if_allocated(text, from, is_there, &put("text", from), &put("text", "\"\""))
            }
            Shape::Decimal => {
                self.if_allocated(text, from, is_there, &put("decimal", from), &put("decimal", "\"0\""))
            }
            Shape::Bytes(_) => self.if_allocated(
                text,
                from,
                is_there,
                &put("bytes", from),
                &put("bytes", "[integer(int8) ::]"),
            ),
            Shape::List(of, _) | Shape::Map(of) => {
                let is_map = matches!(slot.shape, Shape::Map(_));
                text.line(format!("call writer%begin_{}({only_key})", if is_map { "map" } else { "array" }));
                let item = format!("{from}(at_{level})");
                text.block(format!("if (allocated({from})) then"), "end if", |text| {
                    text.block(format!("do at_{level} = 1, size({from})"), "end do", |text| {
                        if is_map {
                            let key = format!(", {item}%key");
                            self.write(text, &key, of, &format!("{item}%value"), level + 1, false);
                        } else if self.is_element(&of.shape) {
                            self.write(text, "", of, &item, level + 1, false);
                        } else {
                            self.write(text, "", of, &format!("{item}%value"), level + 1, false);
                        }
                    });
                });
                text.line("call writer%end()");
            }
            Shape::NdArray { dtype, shape, order } => {
                let by_row = if *order == Some(Order::Row) { ", by_row=.true." } else { "" };
                if matches!(shape.as_deref(), None | Some([])) {
                    text.line(put("ndarray", from));
                    return;
                }
                let dtype = native::dtype_constant(*dtype).to_ascii_lowercase();
                let put = format!("call writer%put_elements({dtype}, {from}{key}{by_row})");
                if fixed(&slot.shape).is_some() && !from.ends_with("%value") {
                    text.line(put);
                } else {
                    let refuse = "call writer%refuse(linkspan_missing, \"an array is not allocated\")";
                    self.if_allocated(text, from, is_there, &put, refuse);
                }
            }
            Shape::Named(at) => {
                let def = &self.plan.types[*at];
                match def.definition {
                    Definition::Enum(_) => {
                        text.line(format!("call writer%put_name({}_names, {from}{key})", def.name))
                    }
                    _ => text.line(format!("call {from}%write(writer{key})")),
                }
            }
        }
    }

    pub(super) fn if_allocated(
        &self,
        text: &mut Text,
        from: &str,
        is_there: bool,
        put: &str,
        otherwise: &str,
    ) {
        if is_there {
            text.line(put);
        } else {
            text.line(format!("if (allocated({from})) then\n   {put}\nelse\n   {otherwise}\nend if"));
        }
    }
}
