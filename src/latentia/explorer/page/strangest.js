// The examples with the highest anomaly scores: where they lie on the map, and what the model makes of them.

import { failure, h, shown } from "./dom.js";
import { draw, frame } from "./picture.js";

const SCORE = "anomaly score";
const LISTED = 8;

/** Make the card, or null for a run whose data were not scored. */
export function strangestCard(tab) {
  const number = tab.ready.columns.findIndex(({ name }) => name === SCORE);
  if (number < 0) return null;
  const list = h("div", { class: "strangest" });
  filled(tab, number).then((items) => list.replaceChildren(...items), (error) => list.replaceChildren(failure(error)));
  const note = h("p", { class: "note" }, "The highest scores: colour the map by them, or choose one to see it and where it lies.");
  return h("section", { class: "card" }, h("h2", {}, "Strangest"), note, list);
}

async function filled(tab, number) {
  const { look } = tab;
  const values = await look.column(number);
  const rows = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, LISTED);
  const x = await look.examples(rows);
  return rows.map((row, place) => {
    const picture = frame(look.run, 56, `Example ${row}`);
    draw(picture, look.run, x, place * look.values);
    const words = h("small", {}, h("span", {}, String(row)), h("b", {}, shown(values[row])));
    const title = `Example ${row}, score ${shown(values[row])}`;
    return h("button", { type: "button", title, "aria-label": title, onclick: () => tab.point(row) }, picture, words);
  });
}
