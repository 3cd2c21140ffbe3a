// The spectrum of an array: magnitudes of its Fourier transform, in the array's unit, against cycles per element.

/** The most elements that are transformed. */
export const MOST = 2 ** 16;

/** Transforms complex numbers in place; their count is a power of two. */
function transform(real, imaginary) {
  const size = real.length;
  for (let at = 1, other = 0; at < size; at++) {
    let bit = size >> 1;
    for (; other & bit; bit >>= 1) other ^= bit;
    other ^= bit;
    if (at < other) for (const part of [real, imaginary]) [part[at], part[other]] = [part[other], part[at]];
  }
  for (let length = 2; length <= size; length *= 2) {
    const half = length / 2;
    for (let at = 0; at < half; at++) {
      const angle = (-2 * Math.PI * at) / length;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      for (let first = at; first < size; first += length) {
        const second = first + half;
        const re = real[second] * cos - imaginary[second] * sin;
        const im = real[second] * sin + imaginary[second] * cos;
        real[second] = real[first] - re;
        imaginary[second] = imaginary[first] - im;
        real[first] += re;
        imaginary[first] += im;
      }
    }
  }
}

/**
 * Returns magnitudes at `first` plus multiples of `step` cycles per element: a sine has its amplitude at its
 * frequency.
 *
 * A Hann window suppresses edge effects, and zeros pad the array to a power of two. A complex array also has negative
 * frequencies. An array with a non-finite element does not have a spectrum.
 */
export function spectrum({ data, dtype }) {
  const isComplex = dtype.startsWith("c");
  const stride = isComplex ? 2 : 1;
  const length = Math.min(data.length / stride, MOST);
  if (length < 2) return undefined;
  const size = 2 ** Math.ceil(Math.log2(length));
  const [real, imaginary] = [new Float64Array(size), new Float64Array(size)];
  let all = 0;
  for (let at = 0; at < length; at++) {
    const weight = 0.5 - 0.5 * Math.cos((2 * Math.PI * (at + 0.5)) / length);
    all += weight;
    real[at] = weight * Number(data[at * stride]);
    if (isComplex) imaginary[at] = weight * data[at * stride + 1];
    if (!Number.isFinite(real[at]) || !Number.isFinite(imaginary[at])) return undefined;
  }
  transform(real, imaginary);
  const half = size / 2;
  const made = new Float64Array(isComplex ? size : half + 1);
  for (let at = 0; at < made.length; at++) {
    const from = isComplex ? (at + half) % size : at;
    made[at] = (Math.hypot(real[from], imaginary[from]) / all) * (isComplex || at === 0 || at === half ? 1 : 2);
  }
  return { data: made, first: isComplex ? -0.5 : 0, step: 1 / size };
}
