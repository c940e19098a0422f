// What the page shows, as plain values, kept in the URL so that a link opens the same view.

import { settled } from "./dom.js";

const DEFAULTS = {
  tab: "map", run: 0, way: "", colour: "", mode: "cursor", manifold: false, points: true, condition: "",
  x: null, y: null, zoom: 1, cx: null, cy: null, start: "centre", z: "", a: 0, b: 1, c: 2, t: 0.5, path: "linear",
  sampler: "prior", n: 36, seed: 0, truncation: "", temperature: "", steps: "", guidance: "", denoising: false, noise: false, class: "", kept: 0,
};

class Store {
  constructor() {
    this.listeners = new Map();
    this.write = settled(200, () => history.replaceState(null, "", this.hash()));
    this.read();
    addEventListener("hashchange", () => {
      const before = this.values;
      this.read();
      const changed = Object.keys(DEFAULTS).filter((key) => before[key] !== this.values[key]);
      for (const key of changed) if (key !== "tab") this.tell(key);
      if (changed.length) this.tell("tab");
    });
  }

  read() {
    this.values = { ...DEFAULTS };
    for (const [key, text] of new URLSearchParams(location.hash.slice(1))) {
      if (!(key in DEFAULTS)) continue;
      const kind = DEFAULTS[key];
      if (typeof kind === "boolean") this.values[key] = text === "true";
      else if (typeof kind === "number" || kind === null) {
        if (text !== "" && Number.isFinite(Number(text))) this.values[key] = Number(text);
      } else this.values[key] = text;
    }
  }

  hash() {
    const changed = Object.entries(this.values).filter(([key, value]) => value !== DEFAULTS[key] && value !== null);
    return "#" + new URLSearchParams(changed.map(([key, value]) => [key, String(value)]));
  }

  get(key) {
    return this.values[key];
  }

  set(key, value) {
    if (this.values[key] === value) return;
    this.values[key] = value;
    this.write();
    this.tell(key);
  }

  tell(key) {
    for (const work of this.listeners.get(key) ?? []) work(this.values[key]);
  }

  on(key, work, signal) {
    const works = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, works.add(work));
    signal?.addEventListener("abort", () => works.delete(work));
  }
}

export const store = new Store();
