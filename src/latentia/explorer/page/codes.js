// Code grids: which code of the book stands at each place of a sample.

import { h } from "./dom.js";

const MOST = 256;

export function codeGrid(run, codes, n) {
  const { shape, size } = run.codes;
  const count = shape.reduce((a, b) => a * b, 1);
  const [rows, columns] = shape.length >= 2 ? shape.slice(-2) : [1, count];
  const levels = count / (rows * columns);
  const box = h("div", { class: "gallery codes", role: "group", "aria-label": "Codes of the samples" });
  for (let i = 0; i < n; i++) {
    const canvas = h("canvas", { class: "picture", role: "img", "aria-label": `codes of sample ${i + 1}`, width: columns, height: rows * levels });
    canvas.style.width = "72px";
    canvas.style.height = `${(72 * rows * levels) / columns}px`;
    const context = canvas.getContext("2d");
    const own = codes.subarray(i * count, (i + 1) * count);
    own.forEach((code, place) => {
      context.fillStyle = `hsl(${Math.round((360 * ((code * 0.618034) % 1)))}, 55%, ${35 + 35 * ((code * 0.414214) % 1)}%)`;
      context.fillRect(place % columns, Math.floor(place / columns), 1, 1);
    });
    if (count <= MOST) canvas.title = Array.from({ length: rows * levels }, (_, row) => own.subarray(row * columns, (row + 1) * columns).join(" ")).join("\n");
    box.append(canvas);
  }
  return h("div", {}, h("p", { class: "note" }, `Codes of the first ${n}: ${shape.join("×")} places, ${size} codes, a colour for each; point at one to read the numbers.`), box);
}
