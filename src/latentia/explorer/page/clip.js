// Clips that play, all of them in step, over a strip of their frames where there is room for one.

const RATE = 12; // frames per second
const ROOM = 96; // width from which on there is a strip
const STRIP = 4; // frames in it

const still = matchMedia("(prefers-reduced-motion: reduce)");
const clips = new WeakMap(); // of each canvas: its frames side by side, and the frame that it shows
let paused = still.matches;
let timer = 0;

const pictured = (side) => side >= ROOM;

/** Give width and height of a clip that is shown `side` pixels wide or high. */
export function clipExtent([, , rows, columns], side) {
  const factor = side / Math.max(rows, columns);
  const [width, height] = [Math.round(columns * factor), Math.round(rows * factor)];
  return { width, height: pictured(side) ? height + Math.round(height / STRIP) : height };
}

/** Let a canvas play: a click, or the space bar, stops all clips, and another lets them go on. */
export function playable(canvas, side) {
  canvas.dataset.strip = pictured(side) ? STRIP : 0;
  canvas.title = "Click to stop or play all clips";
  canvas.addEventListener("click", toggle);
  if (!pictured(side)) return;
  canvas.tabIndex = 0;
  canvas.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
}

function toggle() {
  paused = !paused;
  tick();
}

/** Show the frames, ImageData each, from now on. */
export function play(canvas, frames) {
  const [{ width, height }] = frames;
  const strip = Number(canvas.dataset.strip);
  const sheet = new OffscreenCanvas(width * frames.length, height);
  const context = sheet.getContext("2d");
  frames.forEach((frame, at) => context.putImageData(frame, at * width, 0));
  canvas.width = width * (strip || 1);
  canvas.height = height * (strip ? strip + 1 : 1);
  const clip = { sheet, width, height, count: frames.length, at: -1 };
  clips.set(canvas, clip);
  for (let i = 0; i < strip; i++) {
    const from = Math.round((i * (frames.length - 1)) / (strip - 1)) * width;
    canvas.getContext("2d").drawImage(sheet, from, 0, width, height, i * width, strip * height, width, height);
  }
  show(canvas, clip, paused ? 0 : now(clip));
  timer ||= setInterval(tick, 1000 / RATE);
}

const now = ({ count }) => Math.floor((performance.now() * RATE) / 1000) % count;

function tick() {
  if (paused) return;
  for (const canvas of document.querySelectorAll("canvas.video")) {
    const clip = clips.get(canvas);
    if (clip) show(canvas, clip, now(clip));
  }
}

function show(canvas, clip, at) {
  if (at === clip.at) return;
  clip.at = at;
  canvas.dataset.frame = at;
  const { sheet, width, height } = clip;
  const factor = Number(canvas.dataset.strip) || 1;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.clearRect(0, 0, width * factor, height * factor);
  context.drawImage(sheet, at * width, 0, width, height, 0, 0, width * factor, height * factor);
}
