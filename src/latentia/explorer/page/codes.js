// Code grids: which code of the book stands at each place of a sample.

import { h } from "./dom.js";

const MOST = 256;

/** Draw a grid for each of the first n samples; codes are { values, shape: [n, levels, ...grid] }. */
export function codeGrid(run, codes, n) {
  const { shape, size } = run.codes;
  const [rows, columns] = shape.length >= 2 ? shape.slice(-2) : [1, shape[0] ?? 1];
  const levels = codes.shape[1];
  const count = levels * rows * columns;
  const box = h("div", { class: "gallery codes", role: "group", "aria-label": "Codes of the samples" });
  for (let i = 0; i < n; i++) {
    const canvas = h("canvas", { class: "picture", role: "img", "aria-label": `codes of sample ${i + 1}`, width: columns, height: rows * levels });
    canvas.style.width = "72px";
    canvas.style.height = `${(72 * rows * levels) / columns}px`;
    const context = canvas.getContext("2d");
    const own = codes.values.subarray(i * count, (i + 1) * count);
    own.forEach((code, place) => {
      context.fillStyle = `hsl(${Math.round(360 * ((code * 0.618034) % 1))}, 55%, ${35 + 35 * ((code * 0.414214) % 1)}%)`;
      context.fillRect(place % columns, Math.floor(place / columns), 1, 1);
    });
    if (count <= MOST) canvas.title = Array.from({ length: rows * levels }, (_, row) => own.subarray(row * columns, (row + 1) * columns).join(" ")).join("\n");
    box.append(canvas);
  }
  return h("div", {}, h("p", { class: "note" }, `Codes of the first ${n}: ${shape.join("×")} places${levels > 1 ? `, ${levels} levels below each other` : ""}, ${size} codes, a colour for each; point at one to read the numbers.`), box);
}
