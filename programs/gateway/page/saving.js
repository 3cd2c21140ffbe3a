// Saves a panel as a file: a table with every digit, or a picture with legend and time.
import { UNKNOWN, RESTARTED } from "/series.js";
import { cell, leaves, oneLine } from "/values.js";

function save(panel, end, blob) {
  const names = panel.sources.map(({ name }) => name.replaceAll(/[^\w.-]/g, "_")).join("-").slice(0, 80);
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${names}-${panel.view}.${end}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function csv(panel) {
  save(panel, "csv", new Blob([table(panel)], { type: "text/csv" }));
}

/** The shown data as CSV. */
export function table(panel) {
  return `${rows(panel).map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

function rows({ view, lines, plot, array, body, newest, held }) {
  const shown = lines.filter(({ visible, series, data }) => visible && (series || data));
  if (view === "time") {
    const [low, high] = [plot.shown?.[0] ?? -Infinity, plot.zoom?.[1] ?? held ?? Infinity];
    const missed = (count) => (count === UNKNOWN ? "unknown" : count === RESTARTED ? 0 : count);
    const made = [["time", "name", "value", "missed"]];
    for (const { series, label } of shown) {
      for (let place = series.find(low); place < series.end; place++) {
        const at = place % series.size;
        if (series.times[at] > high) break;
        made.push([series.timeAt(place), label, series.at(place), missed(series.missed[at])]);
      }
    }
    return made;
  }
  if (view === "spectrum") {
    return [["cycles per element", "name", "magnitude"], ...shown.flatMap(({ label, data, first, step }) => Array.from(data, (one, place) => [first + place * step, label, one]))];
  }
  if (plot) {
    const most = shown.reduce((length, { data }) => Math.max(length, data.length), 0);
    return [["index", ...shown.map(({ label }) => label)], ...Array.from({ length: most }, (_, place) => [place, ...shown.map(({ data }) => data[place])])];
  }
  if (view === "image" && array) {
    const [height, width, channels] = array.shape;
    const pixel = (row, column) => (channels ? Array.from({ length: channels }, (_, channel) => array.at(row, column, channel)).join(" ") : array.at(row, column));
    return Array.from({ length: height }, (_, row) => Array.from({ length: width }, (_, column) => pixel(row, column)));
  }
  if (view === "log") return [["time", "text"], ...Array.from(body.children, (row) => [row.time, row.saved ?? row.textContent])];
  return [["name", "path", "value"], ...[...newest].flatMap(([name, { value }]) => Array.from(leaves(value), ([path, leaf]) => [name, path, leaf]))];
}

/** The height of a text line below a picture, in pixels. */
const ROW = 18;

const iso = (seconds) => (Number.isFinite(seconds) ? new Date(seconds * 1000).toISOString() : "");

/** Saves the panel as a picture, with names, values and time. */
export function png(panel) {
  const { plot, view, newest } = panel;
  if (!plot && view !== "image") return void (panel.losses.textContent = "This view has no picture: use CSV.");
  // Updates the values in the legend.
  panel.say();
  const ratio = plot?.ratio ?? 1;
  // Enlarges a small image to make room for its text.
  const zoom = plot ? 1 : Math.max(1, Math.ceil(512 / panel.canvas.width));
  const [wide, high] = plot ? [plot.width, plot.height] : [panel.canvas.width * zoom + 100, Math.max(panel.canvas.height * zoom, 250)];
  const legend = plot ? panel.lines.filter(({ visible }) => visible).map(({ text, shown, colour }) => [`${text}  ${shown.value}`, colour]) : [[panel.note.textContent]];
  const time = view === "time" ? plot.shown?.map(iso).join(" to ") : iso(Math.max(...[...newest.values()].map(({ time }) => time.seconds)));
  const all = Object.assign(document.createElement("canvas"), { width: wide * ratio, height: (high + (legend.length + 2.5) * ROW) * ratio });
  const context = all.getContext("2d");
  const style = getComputedStyle(panel.root);
  context.scale(ratio, ratio);
  context.fillStyle = style.backgroundColor;
  context.fillRect(0, 0, wide, all.height);
  context.imageSmoothingEnabled = false;
  const text = (what, x, row) => context.fillText(oneLine(what), x, row, wide - x - 8);
  context.font = "bold 13px system-ui, sans-serif";
  context.fillStyle = style.color;
  text(panel.title.textContent, 8, 14);
  if (plot) for (const layer of plot.layers) context.drawImage(layer, 0, ROW, wide, high);
  else {
    context.drawImage(panel.canvas, 0, ROW, panel.canvas.width * zoom, panel.canvas.height * zoom);
    context.drawImage(panel.scale, panel.canvas.width * zoom + 8, ROW, 88, 240);
  }
  context.font = "12px system-ui, sans-serif";
  for (const [at, [what, colour]] of [...legend, [time]].entries()) {
    const y = high + (at + 2) * ROW;
    context.fillStyle = colour ?? style.color;
    if (colour) context.fillRect(8, y - 9, 10, 10);
    context.fillStyle = style.color;
    text(what, colour ? 24 : 8, y);
  }
  all.toBlob((blob) => save(panel, "png", blob));
}
