// The tab Move: sliders for latent dimensions, traversals, the path between two inputs, arithmetic on means.

import { arithmeticCard, pathCard } from "./between.js";
import { check, choice, field, h, shown } from "./dom.js";
import { exampleChoice, random } from "./example.js";
import { Follower } from "./follow.js";
import { draw, frame } from "./picture.js";
import { store } from "./store.js";
import { traversalCard } from "./traversal.js";

const SIDE = 224;
const LISTED = 48;
const REACH = 3;
const FULL = 1; // nats that fill a bar, at least
const WRITTEN = 512; // numbers of a latent that an address has room for

export async function moveTab(app, look, ready, signal) {
  const mover = new Mover(look, ready);
  await mover.begin();
  const cards = [mover.sliderCard(), traversalCard(mover, signal), pathCard(look, ready), arithmeticCard(look, ready)];
  return h("div", { class: "move" }, mover.card(), h("div", { class: "steps" }, cards));
}

class Mover {
  constructor(look, ready) {
    Object.assign(this, { look, ready });
    this.listeners = [];
    this.picture = frame(look.run, SIDE, "The latent of the sliders, decoded");
    this.note = h("p", { class: "words" });
    this.axes = ready.directions ? components(ready.directions) : ready.order.map((dim) => dimension(ready.dims[dim], dim));
    this.follower = new Follower((pixels) => this.show(pixels), (error) => (this.note.textContent = error.message));
  }

  /** Take the latent that the URL says. */
  async begin() {
    const start = store.get("start");
    const kept = store.get("z").split(",").map(Number);
    if (kept.length === this.look.size && kept.every(Number.isFinite) && store.get("z") !== "") {
      this.z = Float32Array.from(kept);
      this.c = /^\d+$/.test(start) ? (await this.look.latent(Number(start))).c : await this.condition();
      this.input = /^\d+$/.test(start) ? Number(start) : null;
    } else await this.from(start);
  }

  async from(start) {
    this.input = /^\d+$/.test(start) ? Math.min(Number(start), this.ready.count - 1) : null;
    if (this.input !== null) {
      const { z, c } = await this.look.latent(this.input);
      this.z = z.slice();
      this.c = c;
    } else {
      this.z = Float32Array.from(this.ready.centre);
      this.c = await this.condition();
    }
    store.set("z", "");
    this.changed();
  }

  async condition() {
    const { condition } = this.look.run;
    if (!condition) return null;
    const option = condition.options[Number(store.get("condition") || 0)];
    return option ? Float32Array.from(option.row) : (await this.look.latent(0)).c;
  }

  changed() {
    const z = this.z.slice();
    this.follower.want(() => this.look.decode(z, 1, this.c, 1));
    for (const listener of this.listeners) listener();
  }

  set(axis, value) {
    axis.set(this.z, value);
    if (this.z.length <= WRITTEN) store.set("z", Array.from(this.z, (one) => Number(one.toPrecision(5))).join(","));
    this.changed();
  }

  show(pixels) {
    draw(this.picture, this.look.run, pixels);
    this.picture.dataset.count = Number(this.picture.dataset.count ?? 0) + 1;
    this.picture.dispatchEvent(new Event("drawn"));
  }

  card() {
    const { look, ready } = this;
    const row = this.input ?? 0;
    const shownInput = exampleChoice(look, ready, "Example", row, async (value) => {
      store.set("start", String(value));
      await this.from(String(value));
      this.refresh();
    }, 96);
    const edit = (start) => async () => {
      store.set("start", start);
      await this.from(start);
      this.refresh();
    };
    const buttons = [
      h("button", { type: "button", onclick: edit("centre") }, "Centre"),
      h("button", { type: "button", onclick: () => edit(String(this.input ?? row))() }, "Back to the example"),
      h("button", { type: "button", onclick: () => edit(String(random(ready.count)))() }, "Any example"),
    ];
    const parts = [h("h2", {}, "Decoded"), this.picture, this.note, h("div", { class: "buttons" }, buttons), shownInput];
    const { condition } = look.run;
    if (condition?.options.length) {
      const options = condition.options.map(({ name }, i) => [String(i), name]);
      parts.push(field("Condition", choice(options, store.get("condition") || "0", async (value) => {
        store.set("condition", value);
        this.c = await this.condition();
        this.changed();
      })));
    }
    this.changed();
    return h("section", { class: "card" }, parts);
  }

  sliderCard() {
    const { ready, look } = this;
    const body = h("div", { class: "sliders" });
    const dead = ready.dims.filter(({ active }) => !active).length;
    const rated = !ready.directions && ready.dims[0].kl !== null;
    // KL has a scale of its own: bars of a model that carries nothing stay empty. Variances have none.
    const most = Math.max(...this.axes.map(({ use }) => use), rated ? FULL : 1e-9);
    let all = false;
    const fill = () => {
      this.rows = (all ? this.axes : this.axes.slice(0, LISTED)).map((axis) => this.row(axis, most));
      body.replaceChildren(...this.rows.map(({ element }) => element));
    };
    fill();
    this.refresh = () => this.rows.forEach((row) => row.read());
    const use = ready.dims[0].kl === null ? "variance" : "KL";
    const words = ready.directions
      ? `A latent of ${look.run.latent.join("x")} is moved as a whole, along the first principal components of the data's latents; they have ${shown(total(ready.directions.shares))} % of the variance.`
      : `Ordered by ${use}. ${dead ? `${dead} of ${look.size} carry nothing and are greyed.` : "All carry something."}${rated ? ` A full bar is ${shown(most)} nats.` : ""}`;
    const more = this.axes.length > LISTED ? check(`all ${look.size}`, false, (on) => ((all = on), fill())) : null;
    const heading = ready.directions ? "Principal components" : "Latent dimensions";
    return h("section", { class: "card wide" }, h("h2", {}, heading), h("p", { class: "note" }, words), more, body);
  }

  row(axis, most) {
    const { label, name, mean, std, use, says, active } = axis;
    const reach = REACH * (this.ready.directions ? std || 1 : Math.max(std, 1));
    const slider = h("input", { type: "range", min: mean - reach, max: mean + reach, step: reach / 150, "aria-label": name });
    const value = h("output", {});
    const meter = h("meter", { min: 0, max: most, value: use, "aria-label": `use of ${name}`, title: says });
    const read = () => {
      const now = axis.get(this.z);
      slider.value = now;
      value.textContent = now.toFixed(2);
    };
    slider.addEventListener("input", () => {
      this.set(axis, Number(slider.value));
      value.textContent = axis.get(this.z).toFixed(2);
    });
    read();
    const element = h("div", { class: active ? "slider" : "slider dead" }, h("span", {}, label), slider, value, meter);
    return { element, read };
  }
}

/** One number of a latent, as something to move along. */
function dimension({ kl, mean, std, active }, dim) {
  return {
    label: `z${dim}`,
    name: `latent ${dim}`,
    mean,
    std,
    active,
    use: kl ?? std * std,
    says: kl === null ? `variance ${shown(std * std)}` : `KL ${shown(kl)} nats`,
    get: (z) => z[dim],
    set: (z, value) => (z[dim] = value),
  };
}

/** Principal components of latents, as something to move along: what lies across stays. */
function components({ mean, rows, std, shares }) {
  return rows.map((row, k) => {
    const get = (z) => row.reduce((sum, weight, i) => sum + weight * (z[i] - mean[i]), 0);
    const set = (z, value) => {
      const step = value - get(z);
      row.forEach((weight, i) => (z[i] += step * weight));
    };
    const says = `${shown(shares[k])} % of the variance`;
    return { label: `c${k + 1}`, name: `component ${k + 1}`, mean: 0, std: std[k], active: true, use: shares[k], says, get, set };
  });
}

const total = (values) => values.reduce((sum, one) => sum + one, 0);
