// One example drawn into a canvas: an image, the bars of a table's row, the lines of an array, a clip that plays.

import { clipExtent, play, playable } from "./clip.js";
import { h, shown } from "./dom.js";

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const size = (event) => event.reduce((a, b) => a * b, 1);
const MOST_BARS = 24;

/** Say whether examples are looked at, as images and clips are, and not read off. */
export const pictorial = (run) => run.kind === "image" || run.kind === "video";

/** Make a canvas for examples of a run, `side` pixels wide. */
export function frame(run, side, name) {
  const canvas = h("canvas", { class: `picture ${run.kind}`, role: "img", "aria-label": name });
  const { width, height } = extent(run, side);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  if (run.kind === "video") playable(canvas, side);
  return canvas;
}

/** Give width and height of an example as it is shown. */
export function extent(run, side) {
  if (run.kind === "image") {
    const [, rows, columns] = run.event;
    const factor = side / Math.max(rows, columns);
    return { width: Math.round(columns * factor), height: Math.round(rows * factor) };
  }
  if (run.kind === "video") return clipExtent(run.event, side);
  if (run.kind === "vector" && side >= 120) return { width: side, height: Math.min(MOST_BARS, run.event[0]) * 18 + 4 };
  return { width: side, height: Math.round(side * 0.75) };
}

/** Draw the example that starts at `offset` of `values`. */
export function draw(canvas, run, values, offset = 0) {
  if (run.kind === "image") drawImage(canvas, run, values, offset, run.event);
  else if (run.kind === "video") play(canvas, framesOf(run, values, offset));
  else drawChart(canvas, run, values, offset);
}

/** Write an image of [C, H, W] into a context at (x, y), one pixel a value. */
export function pixels(run, values, offset, event) {
  const [channels, rows, columns] = event;
  const image = new ImageData(columns, rows);
  const factor = 255 / (run.high - run.low || 1);
  const area = rows * columns;
  const second = channels >= 3 ? area : 0;
  const third = channels >= 3 ? 2 * area : 0;
  for (let i = 0; i < area; i++) {
    const at = offset + i;
    image.data[4 * i] = (values[at] - run.low) * factor;
    image.data[4 * i + 1] = (values[at + second] - run.low) * factor;
    image.data[4 * i + 2] = (values[at + third] - run.low) * factor;
    image.data[4 * i + 3] = channels === 4 ? (values[at + 3 * area] - run.low) * factor : 255;
  }
  return image;
}

function drawImage(canvas, run, values, offset, event) {
  const image = pixels(run, values, offset, event);
  if (canvas.width !== image.width) canvas.width = image.width;
  if (canvas.height !== image.height) canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Give the frames of a clip [C, T, H, W], ImageData each. */
export function framesOf(run, values, offset) {
  const [channels, count, rows, columns] = run.event;
  const area = rows * columns;
  return Array.from({ length: count }, (_, at) => {
    const one = new Float32Array(channels * area);
    for (let c = 0; c < channels; c++) {
      const from = offset + (c * count + at) * area;
      one.set(values.subarray(from, from + area), c * area);
    }
    return pixels(run, one, 0, [channels, rows, columns]);
  });
}

/** Draw the bars of a row or the lines of an array into a canvas at the screen's resolution. */
function drawChart(canvas, run, values, offset) {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [parseFloat(canvas.style.width), parseFloat(canvas.style.height)];
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  chart(context, run, values, offset, width, height);
}

/** Draw bars or lines into a box of a context. */
export function chart(context, run, values, offset, width, height) {
  context.fillStyle = style("--panel");
  context.fillRect(0, 0, width, height);
  if (run.kind === "vector") bars(context, run, values, offset, width, height);
  else lines(context, run, values, offset, width, height);
}

/** Write a value of a table's column as the table has it; nothing where it is missing. */
export function told(about, value) {
  if (Number.isNaN(value)) return "";
  if (about.words.length) return about.words[Math.round(value)] ?? "another value";
  if (about.kind === "boolean") return value >= 0.5 ? "True" : "False";
  if (about.kind === "integer") return String(Math.round(value));
  if (about.kind === "time" && about.origin !== null) {
    const moment = new Date(about.origin + (about.day ? 86400000 * Math.round(value) : 1000 * value));
    if (Number.isNaN(moment.getTime())) return "–";
    return about.day ? moment.toISOString().slice(0, 10) : moment.toISOString().slice(0, 16).replace("T", " ");
  }
  return about.decimals !== null && about.decimals <= 6 ? value.toFixed(about.decimals) : shown(value);
}

function bars(context, run, values, offset, width, height) {
  const count = Math.min(MOST_BARS, run.event[0]);
  const step = height / count;
  const named = width >= 120;
  const room = named ? Math.min(width * 0.45, 130) : 0;
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (let i = 0; i < count; i++) {
    const [low, high] = run.ranges[i] ?? [run.low, run.high];
    const share = Math.max(0, Math.min(1, (values[offset + i] - low) / (high - low || 1)));
    const y = (i + 0.5) * step;
    const value = values[offset + i];
    const about = run.schema?.[i];
    context.fillStyle = style("--faint");
    context.fillRect(room, y - step * 0.35, width - room, step * 0.7);
    context.fillStyle = style("--first");
    // A word has no length: where columns are too narrow for words, places of categories are told apart by it.
    const measured = Number.isFinite(value) && !(named && about && (about.words.length || about.kind === "boolean"));
    if (measured) context.fillRect(room, y - step * 0.35, Math.max(1, share * (width - room)), step * 0.7);
    if (!named) continue;
    context.fillStyle = style("--ink");
    const name = run.columns[i] ?? `column ${i}`;
    context.fillText(name.length > 18 ? name.slice(0, 17) + "…" : name, 2, y, room - 6);
    context.textAlign = "right";
    context.lineJoin = "round";
    context.lineWidth = 3; // a rim, for the bar may lie under the number
    context.strokeStyle = style("--panel");
    const whole = about ? told(about, value) : shown(value);
    const text = whole.length > 18 ? whole.slice(0, 17) + "…" : whole;
    context.strokeText(text, width - 4, y, width - room - 8);
    context.fillText(text, width - 4, y, width - room - 8);
    context.textAlign = "left";
  }
}

function lines(context, run, values, offset, width, height) {
  const length = run.event[run.event.length - 1];
  const count = size(run.event) / length;
  for (let line = 0; line < Math.min(8, count); line++) {
    context.strokeStyle = style(["--first", "--second", "--third", "--muted"][line % 4]);
    context.lineWidth = 1.5;
    context.beginPath();
    for (let i = 0; i < length; i++) {
      const share = (values[offset + line * length + i] - run.low) / (run.high - run.low || 1);
      const x = (i / Math.max(1, length - 1)) * width;
      context.lineTo(x, height - 3 - share * (height - 6));
    }
    context.stroke();
  }
}

/** Lay examples out as a grid: an element of canvases, `columns` in a row where that is given. */
export function gallery(run, values, n, side, name, columns) {
  const box = h("div", { class: "gallery", role: "group", "aria-label": name });
  if (columns) box.style.gridTemplateColumns = `repeat(${columns}, max-content)`;
  const event = size(run.event);
  for (let i = 0; i < n; i++) {
    const canvas = frame(run, side, `${name} ${i + 1}`);
    draw(canvas, run, values, i * event);
    box.append(canvas);
  }
  return box;
}
