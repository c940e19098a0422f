// Colours of points: twenty categories and one scale, told apart with colour-blind eyes on light and dark ground.

// After Matthew Petroff, "Accessible Color Sequences for Data Visualization", 2021; the same as the report's.
const CATEGORIES = [
  "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#5f6f83", "#55c1c9",
  "#8fbf3f", "#e377c2", "#1b7f4d", "#d6a2e8", "#7a4b1e", "#2a5599", "#f08d7e", "#6f6f00", "#00a087", "#c2185b",
];
const NONE = [150, 155, 162];
// Viridis, from its dark blue on, so that the lowest values are seen on dark ground, too.
const SCALE = ["#46307e", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#e6e419"].map(rgb);
const STEPS = 64;
const SAMPLED = 20000;

function rgb(text) {
  const number = parseInt(text.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

export const css = ([r, g, b]) => `rgb(${r},${g},${b})`;

function along(share) {
  const place = share * (SCALE.length - 1);
  const from = Math.min(SCALE.length - 2, Math.floor(place));
  return SCALE[from].map((value, i) => Math.round(value + (place - from) * (SCALE[from + 1][i] - value)));
}

/** Say which colour each value has: { palette: [[r, g, b]], index: Uint8Array, low, high, names }. */
export function coloured(values, names) {
  const index = new Uint8Array(values.length);
  if (names) {
    const palette = [...CATEGORIES.map(rgb), NONE];
    for (let i = 0; i < values.length; i++) index[i] = values[i] < 0 ? CATEGORIES.length : values[i] % CATEGORIES.length;
    return { palette, index, names };
  }
  const step = Math.max(1, Math.floor(values.length / SAMPLED));
  const some = values.filter((value, i) => i % step === 0 && Number.isFinite(value)).sort();
  const low = some[Math.floor(0.02 * some.length)] ?? 0;
  const high = some[Math.floor(0.98 * some.length)] ?? 1;
  const factor = high > low ? (STEPS - 1) / (high - low) : 0;
  for (let i = 0; i < values.length; i++) {
    index[i] = Number.isFinite(values[i]) ? Math.max(0, Math.min(STEPS - 1, Math.round((values[i] - low) * factor))) : STEPS;
  }
  const palette = [...Array(STEPS)].map((_, i) => along(i / (STEPS - 1)));
  return { palette: [...palette, NONE], index, low, high, names: null };
}

export const category = (number) => (number < 0 ? css(NONE) : CATEGORIES[number % CATEGORIES.length]);

/** Draw the scale into a canvas from left to right. */
export function drawScale(canvas) {
  canvas.width = STEPS;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  for (let i = 0; i < STEPS; i++) {
    context.fillStyle = css(along(i / (STEPS - 1)));
    context.fillRect(i, 0, 1, 1);
  }
}
