// Points into pixels: each point drawn where few are in view, their density where many are.

import { css } from "./colour.js";

const SINGLE = 25000;
/** Points in view, at most, that are drawn one by one. */
const CROWD = 200000;
/** Points in view, at most, whose density is counted in squares of two pixels. */

/** What is in view: screen = scale * (x - cx) + width / 2, upward in y. */
export class View {
  constructor() {
    Object.assign(this, { cx: 0, cy: 0, scale: 1, width: 1, height: 1 });
  }

  toScreen(x, y) {
    return [(x - this.cx) * this.scale + this.width / 2, this.height / 2 - (y - this.cy) * this.scale];
  }

  toPlane(px, py) {
    return [(px - this.width / 2) / this.scale + this.cx, (this.height / 2 - py) / this.scale + this.cy];
  }

  zoom(factor, px, py) {
    const [x, y] = this.toPlane(px, py);
    this.scale *= factor;
    this.cx = x - (px - this.width / 2) / this.scale;
    this.cy = y + (py - this.height / 2) / this.scale;
  }
}

/** Draw points into a context of `ratio` device pixels each; returns how many are in view and whether one by one. */
export function drawPoints(context, view, points, colours, rows, ratio) {
  const { cx, cy, scale, width, height } = view;
  const inside = countInside(view, points);
  if (inside > SINGLE) {
    drawDensity(context, view, points, colours, rows, inside < CROWD ? 2 : 1);
    return { inside, single: false };
  }
  const radius = Math.max(1.4, Math.min(4.5, 14 * inside ** -0.22));
  const sprites = spritesOf(colours, radius * ratio);
  context.save();
  context.globalAlpha = inside > 4000 ? 0.7 : 0.85;
  const extent = 2 * radius + 2 / ratio;
  for (let i = 0, n = points.length / 2; i < n; i++) {
    const px = (points[2 * i] - cx) * scale + width / 2;
    const py = height / 2 - (points[2 * i + 1] - cy) * scale;
    if (px < -4 || py < -4 || px > width + 4 || py > height + 4) continue;
    const sprite = sprites[colours.index[rows ? rows[i] : i]];
    context.drawImage(sprite, px - extent / 2, py - extent / 2, extent, extent);
  }
  context.restore();
  return { inside, single: true };
}

function countInside({ cx, cy, scale, width, height }, points) {
  const [dx, dy] = [width / 2 / scale, height / 2 / scale];
  let inside = 0;
  for (let i = 0; i < points.length; i += 2) {
    if (Math.abs(points[i] - cx) <= dx && Math.abs(points[i + 1] - cy) <= dy) inside++;
  }
  return inside;
}

function spritesOf(colours, radius) {
  const key = radius.toFixed(2);
  if (colours.sprites?.key === key) return colours.sprites;
  const sprites = colours.palette.map((colour) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.ceil(2 * radius + 2);
    const context = canvas.getContext("2d");
    context.fillStyle = css(colour);
    context.beginPath();
    context.arc(canvas.width / 2, canvas.height / 2, radius, 0, 7);
    context.fill();
    context.strokeStyle = "rgba(255,255,255,0.6)"; // told apart from a decoded grid below, and from each other
    context.lineWidth = radius * 0.22;
    context.stroke();
    return canvas;
  });
  sprites.key = key;
  colours.sprites = sprites;
  return sprites;
}

let bins = null;

/** Count points in each square of the screen; the colour is the points' mean, the opacity the logarithm of their number. */
function drawDensity(context, view, points, colours, rows, side) {
  const [width, height, scale] = [view.width / side, view.height / side, view.scale / side];
  const { cx, cy } = view;
  const [columns, lines] = [Math.ceil(width), Math.ceil(height)];
  const cells = columns * lines;
  if (bins?.length !== 4 * cells) bins = new Float32Array(4 * cells);
  else bins.fill(0);
  const palette = new Float32Array(colours.palette.flat());
  const { index } = colours;
  const [left, top] = [width / 2 - cx * scale, height / 2 + cy * scale];
  let most = 1;
  for (let i = 0, n = points.length / 2; i < n; i++) {
    const px = Math.floor(points[2 * i] * scale + left);
    const py = Math.floor(top - points[2 * i + 1] * scale);
    if (px < 0 || py < 0 || px >= columns || py >= lines) continue;
    const bin = 4 * (py * columns + px);
    const colour = 3 * index[rows ? rows[i] : i];
    bins[bin] += palette[colour];
    bins[bin + 1] += palette[colour + 1];
    bins[bin + 2] += palette[colour + 2];
    if (++bins[bin + 3] > most) most = bins[bin + 3];
  }
  const image = new ImageData(columns, lines);
  const factor = 1 / Math.log1p(most);
  for (let bin = 0; bin < bins.length; bin += 4) {
    const count = bins[bin + 3];
    if (!count) continue;
    image.data[bin] = bins[bin] / count;
    image.data[bin + 1] = bins[bin + 1] / count;
    image.data[bin + 2] = bins[bin + 2] / count;
    image.data[bin + 3] = 90 + 165 * Math.log1p(count) * factor;
  }
  const layer = new OffscreenCanvas(columns, lines);
  layer.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(layer, 0, 0, columns * side, lines * side);
}

/** Choose round numbers for an axis between low and high. */
export function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => 1.35 * factor * power >= raw);
  const first = Math.ceil(low / step);
  // Far from zero a step may be less than what numbers differ by there: counted, and not added up until the end.
  const length = Math.min(Math.floor(high / step) - first + 1, 2 * Math.ceil(count)) || 0;
  return Array.from({ length: Math.max(0, length) }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}
