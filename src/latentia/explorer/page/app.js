// The page: opens the backend, keeps what was loaded of each run, and shows one tab at a time.

import { open } from "./choice.js";
import { capital, choice, failure, field, h, loading, shown } from "./dom.js";
import { compareTab } from "./compare.js";
import { healthTab } from "./health.js";
import { mapTab } from "./map.js";
import { moveTab } from "./move.js";
import { sampleTab } from "./sample.js";
import { store } from "./store.js";

const TABS = [
  ["map", "Map", mapTab, () => true],
  ["move", "Move", moveTab, () => true],
  ["sample", "Sample", sampleTab, (can) => can.includes("sample")],
  ["compare", "Compare", compareTab, () => true],
  ["health", "Health", healthTab, (can) => can.includes("health")],
];

const $ = (id) => document.getElementById(id);

/** What the page knows of one run: loaded once, on demand. */
class Look {
  constructor(backend, run) {
    this.backend = backend;
    this.run = run;
    this.size = run.latent.reduce((a, b) => a * b, 1);
    this.values = run.event.reduce((a, b) => a * b, 1);
    this.kept = new Map();
  }

  once(key, work) {
    if (!this.kept.has(key)) {
      const promise = work();
      this.kept.set(key, promise);
      promise.catch(() => this.kept.delete(key));
    }
    return this.kept.get(key);
  }

  ready(tick) {
    return this.once("ready", () => this.backend.prepare(this.run.id, tick));
  }

  map(way, tick) {
    return this.once(`map ${way}`, () => this.backend.map(this.run.id, way, tick));
  }

  column(number) {
    return this.once(`column ${number}`, () => this.backend.column(this.run.id, number));
  }

  decode(z, n, c = null, stream = 0) {
    return this.backend.decode(this.run.id, z, n, c, stream);
  }

  examples(rows) {
    return this.backend.examples(this.run.id, rows);
  }

  latents(rows) {
    return this.backend.latents(this.run.id, rows);
  }

  /** Give one example's latent, and its condition or null. */
  async latent(row) {
    const { z, c } = await this.once(`latent ${row}`, () => this.latents([row]));
    return { z, c };
  }
}

class App {
  constructor(backend) {
    this.backend = backend;
    this.state = backend.state;
    this.can = (method) => this.state.can.includes(method);
    this.looks = this.state.runs.map((run) => new Look(backend, run));
    this.tabs = TABS.filter(([, , , fits]) => fits(this.state.can));
  }

  get look() {
    return this.looks[Math.max(0, Math.min(this.looks.length - 1, store.get("run")))];
  }

  start() {
    $("title").textContent = this.state.title;
    document.title = `${this.state.title} · latentia`;
    $("tabs").replaceChildren(
      ...this.tabs.map(([key, text]) =>
        h("button", { type: "button", role: "tab", id: `tab-${key}`, "aria-controls": "panel", onclick: () => store.set("tab", key), onkeydown: (event) => this.walk(event) }, text),
      ),
    );
    this.runs();
    store.on("tab", () => this.show());
    store.on("run", () => this.show());
    this.show();
  }

  /** Arrow keys walk along the tabs. */
  walk(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const place = this.tabs.findIndex(([key]) => key === store.get("tab"));
    const [key] = this.tabs[(place + step + this.tabs.length) % this.tabs.length];
    store.set("tab", key);
    $(`tab-${key}`).focus();
  }

  runs() {
    const { axis, runs } = this.state;
    if (runs.length === 1) return;
    const pick = (value) => store.set("run", Number(value));
    if (!axis) {
      const select = choice(runs.map((run) => [run.id, run.label]), this.look.run.id, pick);
      $("runs").replaceChildren(field("Run", select));
      store.on("run", (value) => (select.value = value));
      return;
    }
    const slider = h("input", { type: "range", min: 0, max: runs.length - 1, value: this.look.run.id, oninput: () => pick(slider.value) });
    const text = h("output", {}, runs[this.look.run.id].label);
    $("runs").replaceChildren(field(axis.spoken ?? axis.name, slider), text);
    store.on("run", (value) => {
      slider.value = value;
      text.textContent = runs[value].label;
      slider.setAttribute("aria-valuetext", runs[value].label);
    });
  }

  facts() {
    const { run } = this.look;
    const { rate, distortion, mse, split } = run.rate_distortion;
    const parts = [`${run.model}, ${run.latent.join("×")} latents`];
    if (rate !== null) parts.push(`rate ${shown(rate)} nats`, `distortion ${shown(distortion)} nats`);
    else if (mse !== null) parts.push(`MSE ${shown(mse)}`);
    $("facts").textContent = parts.join(" · ") + (split ? ` (${split})` : "");
    this.verdict();
  }

  /** Say how the run is, in a sentence, and what to change. */
  verdict() {
    const { name, text, cure, evaluated } = this.look.run.verdict;
    const box = $("verdict");
    box.className = name ? "wrong" : "sound";
    const parts = [h("strong", {}, name ? `${capital(name)}. ` : "Nothing wrong found. "), `${capital(text)}.`];
    if (cure) parts.push(" ", h("strong", {}, "Cure: "), `${cure}.`);
    if (!evaluated) parts.push(h("small", {}, " By what training logged; the tab Health has the command that looks closer."));
    box.replaceChildren(...parts);
  }

  async show() {
    const [key, , build] = this.tabs.find(([name]) => name === store.get("tab")) ?? this.tabs[0];
    for (const button of $("tabs").children) {
      const chosen = button.id === `tab-${key}`;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    this.facts();
    this.leaving?.abort();
    const leaving = (this.leaving = new AbortController());
    const panel = $("panel");
    panel.setAttribute("aria-labelledby", `tab-${key}`);
    const bar = loading("Encoding the data …");
    const waiting = setTimeout(() => panel.replaceChildren(bar), 120);
    try {
      const ready = await this.look.ready(bar.tick);
      const content = await build(this, this.look, ready, leaving.signal);
      if (!leaving.signal.aborted) panel.replaceChildren(content);
    } catch (error) {
      if (!leaving.signal.aborted) panel.replaceChildren(failure(error));
    } finally {
      clearTimeout(waiting);
    }
    if (!leaving.signal.aborted) panel.dataset.shown = key;
  }
}

function theme() {
  const root = document.documentElement;
  $("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    dispatchEvent(new Event("theme"));
  });
}

theme();
open().then((backend) => new App(backend).start(), (error) => $("panel").replaceChildren(failure(error)));
