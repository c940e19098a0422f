// An example of the user's own: dropped, chosen or typed; encoded, put on the map, reconstructed and scored.

import { check, failure, h, percent, shown } from "./dom.js";
import { draw, frame, pictorial } from "./picture.js";
import { store } from "./store.js";

export function dropCard(tab) {
  const { run } = tab.look;
  const image = run.kind === "image";
  const result = h("div", { "aria-live": "polite" });
  let invert = false;
  let last = null;
  const send = async (blob) => {
    last = blob;
    try {
      const found = await tab.app.backend.place(run.id, blob, { invert, condition: store.get("condition") });
      result.replaceChildren(...placed(tab, found));
    } catch (error) {
      result.replaceChildren(failure(error));
    }
  };
  const file = h("input", { type: "file", "aria-label": "A file of your own", accept: image ? "image/*,.npy" : ".npy,.txt,.csv", onchange: () => file.files[0] && send(file.files[0]) });
  const parts = [h("p", { class: "note" }, image ? "Drop an image or .npy here, or choose one." : `Drop an .npy or numbers here, choose a file, or type ${run.event.join("×")} numbers.`), file];
  if (image) parts.push(check("negative (dark on light)", false, (on) => ((invert = on), last && send(last))));
  else {
    const text = h("textarea", { rows: 2, "aria-label": "Numbers", placeholder: "1.0, 2.5, …" });
    parts.push(text, h("button", { type: "button", onclick: () => send(new Blob([text.value])) }, "Encode"));
  }
  const card = h("section", { class: "card drop" }, h("h2", {}, "Your own"), parts, result);
  for (const target of [card, tab.plane.element]) {
    target.addEventListener("dragover", (event) => (event.preventDefault(), card.classList.add("ready")));
    target.addEventListener("dragleave", () => card.classList.remove("ready"));
    target.addEventListener("drop", (event) => {
      event.preventDefault();
      card.classList.remove("ready");
      if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
    });
  }
  return card;
}

function placed(tab, found) {
  const { run } = tab.look;
  const side = pictorial(run) ? 96 : 150;
  const figure = (values, name) => {
    const canvas = frame(run, side, name);
    draw(canvas, run, values);
    return h("figure", {}, canvas, h("figcaption", {}, name));
  };
  const point = found.point[tab.way];
  tab.plane.marks = point ? [{ x: point[0], y: point[1], text: "yours" }] : [];
  if (point) tab.plane.aim(...point);
  const lines = [h("p", {}, `Error ${shown(found.error)}: larger than that of ${percent(found.error_rank)} of the data.`)];
  if (found.rate !== undefined) lines.push(h("p", {}, `KL ${shown(found.rate)} nats: larger than that of ${percent(found.rate_rank)} of the data.`));
  const move = () => {
    store.set("z", Array.from(found.z, (value) => Number(value.toPrecision(5))).join(","));
    store.set("start", "cursor");
    store.set("tab", "move");
  };
  return [h("div", { class: "pair" }, figure(found.x, "yours"), figure(found.reconstruction, "reconstruction")), ...lines, h("button", { type: "button", onclick: move }, "Move from it")];
}
