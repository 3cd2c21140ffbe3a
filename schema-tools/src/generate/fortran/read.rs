//! Statements that read values.

use linkspan::schema::{Length, Width};
use linkspan::value::{Order, Value};

use super::super::native::{self, fixed};
use super::super::{Definition, Shape, Slot, Text};
use super::Fortran;
use super::defaults::whole;
use super::types::kind;

impl Fortran<'_> {
    /// Statements that read a value.
    pub(super) fn read(
        &self,
        text: &mut Text,
        slot: &Slot,
        to: &str,
        level: usize,
        allocated: bool,
        default: Option<&Value>,
    ) {
        match &slot.shape {
            Shape::Any => text.line(format!("call reader%get_message({to})")),
            Shape::Bool => text.line(format!("{to} = reader%get_bool()")),
            Shape::Integer(Width::U64) => text.line(format!("{to} = reader%get_u64()")),
            Shape::Integer(width) => {
                let (least, greatest) = width.bounds();
                let get = format!("reader%get_i64({}, {})", whole(least), whole(greatest));
                text.line(match width {
                    Width::I64 | Width::U32 => format!("{to} = {get}"),
                    _ => format!("{to} = int({get}, {})", kind(*width)),
                });
            }
            Shape::F32 => text.line(format!("{to} = reader%get_f32()")),
            Shape::F64 => text.line(format!("{to} = reader%get_f64()")),
            Shape::Timestamp => text.line(format!("{to} = reader%get_timestamp()")),
            Shape::Text(_) => text.line(format!("call reader%get_text({to})")),
            Shape::Decimal => text.line(format!("call reader%get_decimal({to})")),
            Shape::Bytes(_) => text.line(format!("call reader%get_bytes({to})")),
            Shape::Uuid if allocated || to.ends_with("%value") => {
                text.line(format!(
                    "if (.not. allocated({to})) allocate ({to}(16))\ncall reader%get_uuid({to})"
                ));
            }
            Shape::Uuid => text.line(format!("call reader%get_uuid({to})")),
            Shape::List(of, _) | Shape::Map(of) => {
                let is_map = matches!(slot.shape, Shape::Map(_));
                text.line(format!("if (allocated({to})) deallocate ({to})"));
                text.line(format!(
                    "allocate ({to}(reader%begin_{}()))",
                    if is_map { "map" } else { "array" }
                ));
                let item = format!("{to}(at_{level})");
                text.block(format!("do at_{level} = 1, size({to})"), "end do", |text| {
                    if is_map {
                        text.line(format!("call reader%get_key({item}%key)"));
                        self.read(text, of, &format!("{item}%value"), level + 1, false, None);
                    } else if self.is_element(&of.shape) {
                        self.read(text, of, &item, level + 1, false, None);
                    } else {
                        self.read(text, of, &format!("{item}%value"), level + 1, false, None);
                    }
                });
                text.line("call reader%end()");
            }
            Shape::NdArray { dtype, shape, order } => {
                let order = match order {
                    Some(Order::Row) => "linkspan_row",
                    Some(Order::Column) => "linkspan_column",
                    _ => "-1",
                };
                let constant = native::dtype_constant(*dtype).to_ascii_lowercase();
                let Some(lengths) = shape.as_deref().filter(|lengths| !lengths.is_empty()) else {
                    text.line(format!("call reader%get_ndarray({constant}, {order}, {to})"));
                    return;
                };
                let asked: Vec<String> = lengths
                    .iter()
                    .map(|length| match length {
                        Length::Fixed(length) => format!("{length}_int64"),
                        _ => "-1_int64".to_owned(),
                    })
                    .collect();
                let get = format!("reader%get_shape({constant}, {order}, [{}])", asked.join(", "));
                let rank = lengths.len();
                text.block("block", "end block", |text| {
                    text.line(format!("integer(int64) :: lengths({rank})\nlengths = {get}"));
                    if allocated || to.ends_with("%value") || fixed(&slot.shape).is_none() {
                        let each: Vec<String> = (1..=rank).map(|at| format!("lengths({at})")).collect();
                        text.line(format!(
                            "if (allocated({to})) deallocate ({to})\nallocate ({to}({}))",
                            each.join(", ")
                        ));
                        text.line(format!("call reader%get_elements({to})"));
                    } else {
                        text.line(format!("if (all(lengths > 0)) call reader%get_elements({to})"));
                    }
                });
            }
            Shape::Named(at) => {
                let def = &self.plan.types[*at];
                match &def.definition {
                    Definition::Enum(_) => {
                        let unknown = default.and_then(|value| self.initial(&slot.shape, value));
                        let unknown = unknown.unwrap_or_else(|| "-1".to_owned());
                        text.line(format!("{to} = reader%get_enum({}_names, {unknown})", def.name));
                    }
                    _ => text.line(format!("call {to}%read(reader)")),
                }
            }
        }
    }
}
