// Between real inputs: the linear or spherical path from one to another, and arithmetic on their means.

import { failure, h, settled, shown, switcher } from "./dom.js";
import { exampleChoice } from "./example.js";
import { Follower } from "./follow.js";
import { draw, frame, gallery, pictorial } from "./picture.js";
import { store } from "./store.js";

const STEPS = 9;

/** Walk from a to b: straight, or along the great circle between the directions with the length in between. */
export function between(a, b, t, path) {
  const length = (v) => Math.sqrt(v.reduce((sum, value) => sum + value * value, 0));
  const [la, lb] = [length(a), length(b)];
  const straight = () => a.map((value, i) => (1 - t) * value + t * b[i]);
  if (path !== "spherical" || !la || !lb) return straight();
  const cosine = a.reduce((sum, value, i) => sum + value * b[i], 0) / (la * lb);
  const omega = Math.acos(Math.max(-1, Math.min(1, cosine)));
  const sine = Math.sin(omega);
  if (sine < 1e-4) return straight();
  const radius = ((1 - t) * la + t * lb) / sine;
  const [fa, fb] = [(radius * Math.sin((1 - t) * omega)) / la, (radius * Math.sin(t * omega)) / lb];
  return a.map((value, i) => fa * value + fb * b[i]);
}

function mixedCondition(a, b, t) {
  return a && b ? a.map((value, i) => (1 - t) * value + t * b[i]) : null;
}

export function pathCard(look, ready) {
  const side = pictorial(look.run) ? 168 : 200;
  const picture = frame(look.run, side, "A place on the path, decoded");
  const strip = h("div", {});
  const note = h("output", { class: "words" });
  const follower = new Follower((pixels) => draw(picture, look.run, pixels), (error) => (note.textContent = error.message));
  const slider = h("input", { type: "range", min: 0, max: 1, step: 0.005, value: store.get("t"), "aria-label": "Place on the path from a to b" });
  const ends = () => Promise.all([look.latent(store.get("a")), look.latent(store.get("b"))]);
  const at = () => {
    const t = Number(slider.value);
    store.set("t", t);
    note.textContent = `${shown(1 - t, 2)} a, ${shown(t, 2)} b`;
    follower.want(async () => {
      const [a, b] = await ends();
      return look.decode(between(a.z, b.z, t, store.get("path")), 1, mixedCondition(a.c, b.c, t), 5);
    });
  };
  const fill = async () => {
    try {
      const [a, b] = await ends();
      const z = new Float32Array(STEPS * look.size);
      const c = a.c ? new Float32Array(STEPS * a.c.length) : null;
      for (let i = 0; i < STEPS; i++) {
        const t = i / (STEPS - 1);
        z.set(between(a.z, b.z, t, store.get("path")), i * look.size);
        c?.set(mixedCondition(a.c, b.c, t), i * a.c.length);
      }
      const values = await look.decode(z, STEPS, c, 6);
      if (values) strip.replaceChildren(gallery(look.run, values, STEPS, pictorial(look.run) ? 44 : 80, "path", STEPS));
    } catch (error) {
      strip.replaceChildren(failure(error));
    }
    at();
  };
  const later = settled(30, fill);
  slider.addEventListener("input", at);
  const choose = (key) => exampleChoice(look, ready, key, store.get(key), (row) => (store.set(key, row), later()));
  const kinds = [["linear", "Straight"], ["spherical", "Spherical"]];
  const pathSwitch = switcher("Kind of path", kinds, store.get("path"), (path) => (store.set("path", path), fill()));
  fill();
  const scroll = h("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": "The path in steps" }, strip);
  return h("section", { class: "card path" }, h("h2", {}, "From one input to another"), h("div", { class: "row" }, choose("a"), choose("b")), pathSwitch, h("div", { class: "row" }, picture), slider, note, scroll);
}

export function arithmeticCard(look, ready) {
  const picture = frame(look.run, pictorial(look.run) ? 132 : 200, "The result, decoded");
  const note = h("p", { class: "words" });
  const follower = new Follower((pixels) => draw(picture, look.run, pixels), (error) => (note.textContent = error.message));
  const compute = () =>
    follower.want(async () => {
      const [a, b, c] = await Promise.all(["a", "b", "c"].map((key) => look.latent(store.get(key))));
      const z = a.z.map((value, i) => value - b.z[i] + c.z[i]);
      return look.decode(z, 1, c.c ?? a.c, 7);
    });
  const choose = (key, sign) => h("div", { class: "term" }, h("strong", {}, sign), exampleChoice(look, ready, key, store.get(key), (row) => (store.set(key, row), compute())));
  compute();
  const terms = [choose("a", ""), choose("b", "−"), choose("c", "+")];
  return h("section", { class: "card arithmetic wide" }, h("h2", {}, "a − b + c"), h("p", { class: "note" }, "On the means of the latents: what sets a apart from b, given to c."), h("div", { class: "row" }, terms, h("strong", {}, "="), picture), note);
}
