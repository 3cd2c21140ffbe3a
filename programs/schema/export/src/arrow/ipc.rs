//! A schema message of Arrow's IPC format: the needed tables of `Schema.fbs` and `Message.fbs`.

use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, VOffsetT, WIPOffset};
use linkspan::schema::Width;

use super::column::{Arrow, Column};

type Builder = FlatBufferBuilder<'static>;
type Table = WIPOffset<TableFinishedWIPOffset>;

const VERSION: i16 = 4;
const SCHEMA: u8 = 1;

const fn slot(position: VOffsetT) -> VOffsetT {
    4 + 2 * position
}

/// Returns the message after its length, padded to 8 bytes.
pub(super) fn message(columns: &[Column], metadata: &[(&'static str, String)]) -> Vec<u8> {
    let mut to = Builder::new();
    let mut dictionaries = 0;
    let fields: Vec<Table> = columns.iter().map(|each| field(&mut to, each, &mut dictionaries)).collect();
    let fields = to.create_vector(&fields);
    let metadata = key_values(&mut to, metadata);
    let start = to.start_table();
    to.push_slot_always(slot(1), fields);
    to.push_slot_always(slot(2), metadata);
    let schema = to.end_table(start);
    let start = to.start_table();
    to.push_slot_always(slot(0), VERSION);
    to.push_slot_always(slot(1), SCHEMA);
    to.push_slot_always(slot(2), schema);
    to.push_slot_always(slot(3), 0_i64);
    let message = to.end_table(start);
    to.finish_minimal(message);
    let body = to.finished_data();
    let padded = body.len().next_multiple_of(8);
    let mut out = vec![0xFF; 4];
    // A schema has at most 4096 types, from a text of at most 1 MiB.
    out.extend_from_slice(&u32::try_from(padded).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(body);
    out.resize(8 + padded, 0);
    out
}

fn field(to: &mut Builder, of: &Column, dictionaries: &mut i64) -> Table {
    let children: Vec<Table> = of.children.iter().map(|each| field(to, each, dictionaries)).collect();
    let children = to.create_vector(&children);
    let name = to.create_string(&of.name);
    let metadata = key_values(to, &of.metadata);
    let (number, arrow) = arrow(to, of.of);
    let dictionary = of.in_dictionary.then(|| {
        let index = integer(to, Width::I32);
        let start = to.start_table();
        to.push_slot_always(slot(0), *dictionaries);
        to.push_slot_always(slot(1), index);
        *dictionaries += 1;
        to.end_table(start)
    });
    let start = to.start_table();
    to.push_slot_always(slot(0), name);
    to.push_slot_always(slot(1), of.nullable);
    to.push_slot_always(slot(2), number);
    to.push_slot_always(slot(3), arrow);
    if let Some(dictionary) = dictionary {
        to.push_slot_always(slot(4), dictionary);
    }
    to.push_slot_always(slot(5), children);
    to.push_slot_always(slot(6), metadata);
    to.end_table(start)
}

/// Returns a type's number in the union `Type`, and its table.
fn arrow(to: &mut Builder, of: Arrow) -> (u8, Table) {
    if let Arrow::Integer(width) = of {
        return (2, integer(to, width));
    }
    let zone = matches!(of, Arrow::Timestamp).then(|| to.create_string("UTC"));
    let start = to.start_table();
    let number = match of {
        Arrow::Integer(_) => 2,
        Arrow::F32 | Arrow::F64 => {
            to.push_slot_always(slot(0), if matches!(of, Arrow::F32) { 1_i16 } else { 2 });
            3
        }
        Arrow::Binary => 4,
        Arrow::Utf8 => 5,
        Arrow::Bool => 6,
        Arrow::Timestamp => {
            to.push_slot_always(slot(0), 3_i16);
            if let Some(zone) = zone {
                to.push_slot_always(slot(1), zone);
            }
            10
        }
        Arrow::List => 12,
        Arrow::Struct => 13,
        Arrow::FixedSizeBinary(length) => {
            to.push_slot_always(slot(0), length);
            15
        }
        Arrow::FixedSizeList(length) => {
            to.push_slot_always(slot(0), length);
            16
        }
        Arrow::Map => 17,
    };
    (number, to.end_table(start))
}

fn integer(to: &mut Builder, width: Width) -> Table {
    let (least, greatest) = width.bounds();
    let bits = (greatest - least + 1).ilog2().cast_signed();
    let start = to.start_table();
    to.push_slot_always(slot(0), bits);
    to.push_slot_always(slot(1), least < 0);
    to.end_table(start)
}

fn key_values(to: &mut Builder, of: &[(&'static str, String)]) -> WIPOffset<impl Copy + 'static> {
    let pairs: Vec<Table> = of
        .iter()
        .map(|(key, value)| {
            let (key, value) = (to.create_string(key), to.create_string(value));
            let start = to.start_table();
            to.push_slot_always(slot(0), key);
            to.push_slot_always(slot(1), value);
            to.end_table(start)
        })
        .collect();
    to.create_vector(&pairs)
}
