// A choice of one example: its number, the example drawn at random, its picture.

import { field, h } from "./dom.js";
import { draw, frame, pictorial } from "./picture.js";

export const random = (count) => Math.floor(Math.random() * count);

/** Make the control; `change(row)` is called with each new choice. */
export function exampleChoice(look, ready, name, row, change, side = 72) {
  const picture = frame(look.run, pictorial(look.run) ? side : 150, name);
  const input = h("input", { type: "number", min: 0, max: ready.count - 1, value: row });
  let current = -1;
  const pick = async (value, quiet = false) => {
    const wanted = Math.round(Number(value));
    if (!(wanted >= 0 && wanted < ready.count) || wanted === current) return;
    current = wanted;
    input.value = wanted;
    input.setCustomValidity("");
    draw(picture, look.run, await look.examples([wanted]));
    if (!quiet) change(wanted);
  };
  input.addEventListener("change", () => {
    if (!(Number(input.value) >= 0 && Number(input.value) < ready.count)) {
      input.setCustomValidity(`from 0 to ${ready.count - 1}`);
      input.reportValidity();
    } else pick(input.value);
  });
  pick(Math.min(row, ready.count - 1), true);
  const dice = h("button", { type: "button", title: "One at random", "aria-label": `${name}: one at random`, onclick: () => pick(random(ready.count)) }, "⚄");
  return h("div", { class: "example" }, picture, field(name, input), dice);
}
