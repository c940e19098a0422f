// Distortion over rate, a point for each run; of runs without a rate, their errors side by side.

import { h, shown } from "./dom.js";
import { ticks } from "./scatter.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM] = [360, 260, 56, 40];

function node(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Put runs together that differ in their seed alone: the line goes through their means, not from seed to seed. */
function overSeeds(runs) {
  const groups = new Map();
  for (const run of runs) {
    const key = run.label.replace(/(^|, )seed -?\d+/g, "");
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()];
}

export function rateChart(state, chosen, pick) {
  const rated = state.runs.filter(({ rate_distortion: { rate } }) => rate !== null);
  const both = rated.length >= 2;
  const shownRuns = both ? rated : state.runs.filter(({ rate_distortion: { mse } }) => mse !== null);
  if (!shownRuns.length) return h("p", {}, "These runs have logged no figures yet.");
  const x = (run) => (both ? run.rate_distortion.rate : shownRuns.indexOf(run));
  const y = (run) => (both ? run.rate_distortion.distortion : run.rate_distortion.mse);
  const range = (values) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low || Math.abs(high) || 1) * 0.12;
    return [low - room, high + room];
  };
  const [left, right] = range(shownRuns.map(x));
  const [low, high] = range(shownRuns.map(y));
  const px = (value) => LEFT + ((value - left) / (right - left)) * (WIDTH - LEFT - 12);
  const py = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - BOTTOM - 12);
  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": both ? "Distortion over rate" : "Mean squared error of each run" });
  for (const value of both ? ticks(left, right, 5) : []) {
    svg.append(node("line", { x1: px(value), x2: px(value), y1: 8, y2: HEIGHT - BOTTOM }), node("text", { x: px(value), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, value));
  }
  for (const value of ticks(low, high, 5)) {
    svg.append(node("line", { x1: LEFT, x2: WIDTH - 8, y1: py(value), y2: py(value) }), node("text", { x: LEFT - 6, y: py(value) + 4, "text-anchor": "end" }, value));
  }
  svg.append(node("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, both ? "rate, nats" : "run"));
  svg.append(node("text", { x: 12, y: HEIGHT / 2 - 20, "text-anchor": "middle", transform: `rotate(-90 12 ${HEIGHT / 2 - 20})` }, both ? "distortion, nats" : "MSE"));
  if (state.axis) svg.append(node("polyline", { points: overSeeds(shownRuns).map((runs) => `${px(mean(runs.map(x)))},${py(mean(runs.map(y)))}`).join(" ") }));
  for (const run of shownRuns) {
    const dot = node("circle", { cx: px(x(run)), cy: py(y(run)), r: run.id === chosen ? 8 : 5, class: run.id === chosen ? "chosen" : "" });
    dot.append(node("title", {}, `${run.label}: ${shown(x(run))}, ${shown(y(run))}`));
    dot.addEventListener("click", () => pick(run.id));
    svg.append(dot, node("text", { x: px(x(run)), y: py(y(run)) - 12, "text-anchor": "middle", class: run.id === chosen ? "chosen" : "" }, run.label));
  }
  return svg;
}
