//! Draws two-dimensional arrays as images in `data:` addresses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use linkspan::{DType, NdArray, Order};

const SIDE: usize = 256;
/// Colours from the minimum to the maximum: dark blue, green, yellow, with mixtures between them.
///
/// They remain distinguishable for colour-blind readers and in grey.
const COLOURS: [[f64; 3]; 5] =
    [[68.0, 1.0, 84.0], [59.0, 82.0, 139.0], [33.0, 145.0, 140.0], [94.0, 201.0, 98.0], [253.0, 231.0, 37.0]];

/// Returns the number at a position in memory; for a complex number its absolute value.
pub fn number(array: &NdArray, at: usize) -> f64 {
    let size = array.dtype.size();
    let from = at.saturating_mul(size);
    let bytes = array.data.get(from..from.saturating_add(size)).unwrap_or_default();
    fn word<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
        bytes.get(from..from.saturating_add(N)).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
    }
    match array.dtype {
        DType::Bool | DType::U8 => f64::from(u8::from_le_bytes(word(bytes, 0))),
        DType::I8 => f64::from(i8::from_le_bytes(word(bytes, 0))),
        DType::I16 => f64::from(i16::from_le_bytes(word(bytes, 0))),
        DType::U16 => f64::from(u16::from_le_bytes(word(bytes, 0))),
        DType::I32 => f64::from(i32::from_le_bytes(word(bytes, 0))),
        DType::U32 => f64::from(u32::from_le_bytes(word(bytes, 0))),
        DType::I64 => i64::from_le_bytes(word(bytes, 0)) as f64,
        DType::U64 => u64::from_le_bytes(word(bytes, 0)) as f64,
        DType::F32 => f64::from(f32::from_le_bytes(word(bytes, 0))),
        DType::F64 => f64::from_le_bytes(word(bytes, 0)),
        DType::C64 => {
            f64::from(f32::from_le_bytes(word(bytes, 0))).hypot(f64::from(f32::from_le_bytes(word(bytes, 4))))
        }
        DType::C128 => f64::from_le_bytes(word(bytes, 0)).hypot(f64::from_le_bytes(word(bytes, 8))),
    }
}

/// A picture, and the numbers of its darkest and its brightest colour.
pub struct Picture {
    pub address: String,
    pub least: f64,
    pub greatest: f64,
}

/// Draws a two-dimensional array, with the first dimension downwards.
///
/// `None` for other arrays, empty arrays, and arrays without a finite number.
pub fn picture(array: &NdArray) -> Option<Picture> {
    let [rows, columns] = array.shape[..] else { return None };
    let (rows, columns) = (usize::try_from(rows).ok()?, usize::try_from(columns).ok()?);
    let (height, width) = (rows.min(SIDE), columns.min(SIDE));
    if height == 0 || width == 0 {
        return None;
    }
    let at = |y: usize, x: usize| {
        let scaled = |at: usize, of: usize, to: usize| at.saturating_mul(of).checked_div(to).unwrap_or(0);
        let (row, column) = (scaled(y, rows, height), scaled(x, columns, width));
        match array.order {
            Order::Row => row.saturating_mul(columns).saturating_add(column),
            Order::Column => column.saturating_mul(rows).saturating_add(row),
        }
    };
    let numbers: Vec<f64> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (y, x)))
        .map(|(y, x)| number(array, at(y, x)))
        .collect();
    let finite = numbers.iter().copied().filter(|number| number.is_finite());
    let (least, greatest) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), n| (a.min(n), b.max(n)));
    (least <= greatest).then(|| {
        let shade = |n: f64| {
            // Halving avoids overflow: the difference of two finite numbers may be infinite.
            let part = (n / 2.0 - least / 2.0) / (greatest / 2.0 - least / 2.0);
            if greatest > least { (part * 254.0).round() } else { 127.0 }
        };
        // 255 stands for non-finite numbers. It is grey: palettes lack portable transparency.
        let shades =
            numbers.iter().map(|n| if n.is_finite() { shade(*n) as u8 } else { 255 }).collect::<Vec<_>>();
        Picture { address: data_address(width, height, &shades), least, greatest }
    })
}

fn data_address(width: usize, height: usize, shades: &[u8]) -> String {
    let stride = width.next_multiple_of(4);
    // The header and the palette come first.
    let (begin, pixels) = (54u32 + 1024, stride.saturating_mul(height) as u32);
    let size = begin.saturating_add(pixels);
    let mut file = Vec::with_capacity(size as usize);
    file.extend(b"BM");
    [size, 0, begin, 40, width as u32, height as u32].iter().for_each(|n| file.extend(n.to_le_bytes()));
    file.extend(1u16.to_le_bytes());
    file.extend(8u16.to_le_bytes());
    [0u32, pixels, 2835, 2835, 256, 0].iter().for_each(|n| file.extend(n.to_le_bytes()));
    for shade in 0..=255u8 {
        let [red, green, blue] = if shade == 255 { [128; 3] } else { colour(f64::from(shade) / 254.0) };
        file.extend([blue, green, red, 0]);
    }
    // Rows go from the bottom up.
    for row in shades.chunks(width).rev() {
        file.extend(row);
        file.extend(std::iter::repeat_n(0u8, stride.saturating_sub(width)));
    }
    format!("data:image/bmp;base64,{}", STANDARD.encode(&file))
}

fn colour(at: f64) -> [u8; 3] {
    let place = at.clamp(0.0, 1.0) * COLOURS.len().saturating_sub(1) as f64;
    let below = (place as usize).min(COLOURS.len().saturating_sub(2));
    let (low, high) = (COLOURS[below], COLOURS[below.saturating_add(1)]);
    let part = place - below as f64;
    [0, 1, 2].map(|i| (low[i] * (1.0 - part) + high[i] * part).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_has_the_order_of_the_array_and_marks_what_is_no_number() {
        let rows = NdArray::from_slice(&[0.0f64, 1.0, 2.0, f64::NAN, 4.0, 5.0], &[2, 3], Order::Row).unwrap();
        let columns =
            NdArray::from_slice(&[0.0f64, f64::NAN, 1.0, 4.0, 2.0, 5.0], &[2, 3], Order::Column).unwrap();
        let [one, other] = [&rows, &columns].map(|array| picture(array).unwrap());
        assert_eq!((one.least, one.greatest, &one.address), (0.0, 5.0, &other.address));
        assert!(picture(&NdArray::vector(&[1.0f64])).is_none());
        assert!(picture(&NdArray::from_slice(&[f64::NAN], &[1, 1], Order::Row).unwrap()).is_none());
    }
}
