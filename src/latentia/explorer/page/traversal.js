// Traversal strips: one latent dimension moves, the others stay where the sliders are.

import { check, failure, h, settled } from "./dom.js";
import { gallery, pictorial } from "./picture.js";

const STRIPS = 8;
const STEPS = 9;
const REACH = 3;

export function traversalCard(mover, signal) {
  const { look } = mover;
  const body = h("div", { class: "strips" });
  let live = true;
  const refresh = async () => {
    if (signal.aborted) return;
    const axes = mover.axes.slice(0, STRIPS);
    const z = new Float32Array(axes.length * STEPS * look.size);
    axes.forEach(({ mean, std, set }, row) => {
      for (let step = 0; step < STEPS; step++) {
        const at = (row * STEPS + step) * look.size;
        z.set(mover.z, at);
        set(z.subarray(at, at + look.size), mean + REACH * std * ((2 * step) / (STEPS - 1) - 1));
      }
    });
    try {
      const n = axes.length * STEPS;
      const values = await look.decode(z, n, repeated(mover.c, n), 4);
      if (!values) return;
      body.replaceChildren(...axes.flatMap(({ label, name }, row) => [
        h("span", { class: "label" }, label),
        gallery(look.run, values.subarray(row * STEPS * look.values), STEPS, pictorial(look.run) ? 38 : 80, name, STEPS),
      ]));
    } catch (error) {
      body.replaceChildren(failure(error));
    }
  };
  const later = settled(80, refresh);
  mover.listeners.push(() => live && later());
  refresh();
  const follow = check("follow the sliders", true, (on) => ((live = on), on && refresh()));
  const note = `Each row moves along one ${mover.ready.directions ? "component" : "dimension"}, from three standard deviations below its mean to three above.`;
  return h("section", { class: "card" }, h("h2", {}, "Traversals"), h("p", { class: "note" }, note), follow, h("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": "Traversal strips" }, body));
}

/** Give one condition n times. */
export function repeated(c, n) {
  if (!c) return null;
  const all = new Float32Array(n * c.length);
  for (let i = 0; i < n; i++) all.set(c, i * c.length);
  return all;
}
