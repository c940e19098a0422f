// The tab Compare: runs on one slider, with their maps, samples and rate-distortion points; all on the same inputs.

import { coloured } from "./colour.js";
import { failure, h, loading, shown } from "./dom.js";
import { leastOf } from "./map.js";
import { gallery, pictorial } from "./picture.js";
import { Plane } from "./plane.js";
import { rateChart } from "./rate.js";
import { store } from "./store.js";

const INPUTS = 10;
const SAMPLES = 25;

export async function compareTab(app, look, ready, signal) {
  if (app.looks.length === 1) {
    const words = "One run is open. Give several, or a whole sweep: ";
    return h("section", { class: "card" }, h("h2", {}, "Compare"), h("p", {}, words, h("code", {}, "latentia explore RUN RUN")));
  }
  const chart = rateChart(app.state, look.run.id, (id) => store.set("run", id));
  const top = h("div", { class: "compare" }, h("section", { class: "card" }, h("h2", {}, "Rate and distortion"), chart), mapCard(look, ready, signal));
  if (app.can("sample")) top.append(sampleCard(app, look));
  return h("div", {}, top, inputsCard(app, look, ready));
}

function mapCard(look, ready, signal) {
  const plane = new Plane({ name: `Map of ${look.run.label}`, still: true });
  const body = h("div", { class: "small-map" }, loading("Loading the map …"));
  const load = async () => {
    try {
      const [map, values] = await Promise.all([look.map(ready.ways[0]), look.column(0)]);
      if (signal.aborted) return;
      body.replaceChildren(plane.element);
      plane.least = leastOf(look.run, ready.ways[0]);
      plane.show(map, coloured(values, ready.columns[0].names));
    } catch (error) {
      body.replaceChildren(failure(error));
    }
  };
  load();
  return h("section", { class: "card" }, h("h2", {}, `Map, ${look.run.label}`), body, h("p", { class: "note" }, `Coloured by ${ready.columns[0].name}.`));
}

function sampleCard(app, look) {
  const body = h("div", {}, loading("Sampling …"));
  const { run } = look;
  app.backend.sample(run.id, { n: SAMPLES, seed: store.get("seed"), sampler: "prior" }).then(
    ({ x, n }) => body.replaceChildren(gallery(run, x, n, pictorial(run) ? 52 : 100, "sample", pictorial(run) ? 5 : undefined)),
    (error) => body.replaceChildren(failure(error)),
  );
  return h("section", { class: "card" }, h("h2", {}, `Samples, ${run.label}`), body, h("p", { class: "note" }, `From the prior, seed ${store.get("seed")}, the same for every run.`));
}

/** Reconstruct the same inputs with every run that takes them. */
function inputsCard(app, look, ready) {
  const { run } = look;
  const rows = Array.from({ length: Math.min(INPUTS, ready.count) }, (_, i) => Math.floor((i * ready.count) / INPUTS));
  const body = h("div", { class: "strips" });
  const side = pictorial(run) ? 56 : 110;
  const strip = (values, name) => gallery(run, values, rows.length, side, name, rows.length);
  const fits = app.looks.filter((other) => String(other.run.event) === String(run.event));
  const fill = async () => {
    body.replaceChildren(h("span", { class: "label" }, "inputs"), strip(await look.examples(rows), "input"));
    for (const other of fits) {
      const own = h("div", {}, loading("…"));
      const { mse } = other.run.rate_distortion;
      const label = h("span", { class: other === look ? "label chosen" : "label" }, other.run.label, h("small", {}, `MSE ${shown(mse)}`));
      body.append(label, own);
      const made = async () => {
        await other.ready();
        const { z, c } = await other.latents(rows);
        return other.decode(z, rows.length, c);
      };
      other.once("compared", made).then(
        (values) => own.replaceChildren(strip(values, other.run.label)),
        (error) => own.replaceChildren(failure(error)),
      );
    }
  };
  fill().catch((error) => body.replaceChildren(failure(error)));
  const left = app.looks.length - fits.length;
  const note = left ? h("p", { class: "note" }, `${left} of the runs were trained on examples of another shape and are left out.`) : null;
  return h("section", { class: "card full" }, h("h2", {}, "The same inputs, reconstructed"), note, h("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": "Reconstructions" }, body));
}
