// An array of two dimensions as a picture. Non-finite elements have special colours.
import { digits } from "/values.js";

const STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const pixel = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
/** The colours of an image, from low to high. */
const SCALE = Uint32Array.from({ length: 256 }, (_, at) => {
  const place = (at / 255) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return pixel(STOPS[low].map((part, channel) => Math.round(part + (STOPS[low + 1][channel] - part) * (place - low))));
});
/** Non-finite values, each with symbol, colour name and colour. */
const ODD = [[Infinity, "∞", "red", pixel([230, 30, 30])], [-Infinity, "−∞", "light blue", pixel([130, 200, 255])], [NaN, "NaN", "grey", pixel([128, 128, 128])]];

/** Writes an array into pixels; returns the finite bounds and a text about non-finite elements. */
export function paint(array, pixels) {
  const [height, width, channels] = array.shape;
  const isTurned = array.order === "column";
  const { data } = array;
  if (channels) {
    const place = isTurned ? (row, column, channel) => row + height * (column + width * channel) : (row, column, channel) => (row * width + column) * channels + channel;
    for (let at = 0, row = 0; row < height; row++) for (let column = 0; column < width; column++, at++) pixels[at] = (255 << 24) | (data[place(row, column, 2)] << 16) | (data[place(row, column, 1)] << 8) | data[place(row, column, 0)];
    return { bounds: [0, 255], odd: "" };
  }
  const mayBeOdd = data instanceof Float32Array || data instanceof Float64Array;
  let low, high;
  for (let at = 0; at < data.length; at++) {
    const value = data[at];
    if (mayBeOdd && !Number.isFinite(value)) continue;
    if (low === undefined) low = high = value;
    else if (value < low) low = value;
    else if (value > high) high = value;
  }
  low ??= 0;
  high ??= 0;
  const least = Number(low);
  const factor = 255 / (Number(high) - least || 1);
  const counts = new Map();
  const colour = (value) => {
    const number = Number(value);
    if (!mayBeOdd || Number.isFinite(number)) return SCALE[((number - least) * factor) | 0];
    const found = ODD.find(([of]) => Object.is(of, number));
    counts.set(found, (counts.get(found) ?? 0) + 1);
    return found[3];
  };
  if (isTurned) for (let row = 0, at = 0; row < height; row++) for (let column = 0; column < width; column++) pixels[at++] = colour(data[column * height + row]);
  else for (let at = 0; at < pixels.length; at++) pixels[at] = colour(data[at]);
  return { bounds: [low, high], odd: [...counts].map(([[, name, shown], count]) => `${count} ${name} (${shown})`).join(", ") };
}

/** Draws the colour scale with both bounds. */
export function drawScale(canvas, bounds, ink) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(32, 480);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < pixels.length; at++) pixels[at] = SCALE[255 - Math.floor((at >> 5) * (255 / 479))];
  context.clearRect(0, 0, 176, 480);
  context.putImageData(image, 0, 0);
  context.fillStyle = ink;
  context.font = "24px system-ui, sans-serif";
  // A long number is compressed to the column's width.
  context.fillText(digits(bounds[1]), 40, 22, 132);
  context.fillText(digits(bounds[0]), 40, 474, 132);
}
