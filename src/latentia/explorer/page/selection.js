// The lasso's selection: how many, their mean decoded, mean and spread of each latent dimension, export.

import { failure, h, shown } from "./dom.js";
import { save } from "./files.js";
import { draw, frame, pictorial } from "./picture.js";

const LISTED = 12;

export function selectionCard(tab) {
  const body = h("div", { "aria-live": "polite" }, h("p", { class: "words" }, "Choose Lasso and draw around points."));
  tab.plane.element.addEventListener("lasso", async ({ detail: { inside } }) => {
    try {
      body.replaceChildren(...(await described(tab, inside)));
    } catch (error) {
      body.replaceChildren(failure(error));
    }
  });
  return h("section", { class: "card selection" }, h("h2", {}, "Selection"), body);
}

async function described(tab, inside) {
  if (!inside.length) return [h("p", {}, "No points lie within.")];
  const rows = Array.from(inside, (index) => tab.row(index));
  const { look, app } = tab;
  const found = app.can("select") ? await app.backend.select(look.run.id, rows) : await counted(look, rows);
  const parts = [h("p", {}, `${rows.length.toLocaleString("en")} of ${tab.ready.count.toLocaleString("en")} examples`)];
  const { c } = look.run.condition ? await look.latent(rows[0]) : { c: null };
  const pixels = await look.decode(Float32Array.from(found.mean), 1, c);
  const picture = frame(look.run, pictorial(look.run) ? 96 : 200, "The selection's mean, decoded");
  draw(picture, look.run, pixels);
  parts.push(h("figure", {}, picture, h("figcaption", {}, "its mean latent, decoded")), shares(tab, rows));
  const table = h("table", {}, h("thead", {}, h("tr", {}, ["latent", "mean", "spread", "all data"].map((text) => h("th", { scope: "col" }, text)))));
  const lines = tab.ready.order.slice(0, LISTED).map((dim) => {
    const all = tab.ready.dims[dim];
    const cells = [shown(found.mean[dim]), shown(found.std[dim]), `${shown(all.mean)} ± ${shown(all.std)}`];
    return h("tr", {}, h("th", { scope: "row" }, String(dim)), cells.map((text) => h("td", {}, text)));
  });
  table.append(h("tbody", {}, lines));
  const buttons = h("div", { class: "buttons" });
  if (app.can("export")) {
    buttons.append(h("button", { type: "button", onclick: async () => save(await app.backend.export(look.run.id, rows), "selection.npz") }, "Export .npz"));
  }
  buttons.append(h("button", { type: "button", onclick: () => csv(look, rows) }, "Export .csv"));
  if (look.run.lossless && app.can("compress")) buttons.append(compressButton(app, look, rows));
  parts.push(h("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": "Latents of the selection" }, table), buttons);
  return parts;
}

/** A button that writes the examples themselves, without loss. */
function compressButton(app, look, rows) {
  const told = h("span", { "aria-live": "polite" });
  const button = h("button", { type: "button", onclick: async () => {
    button.disabled = true;
    try {
      save(await app.backend.compress(look.run.id, rows), "selection.lat");
      told.replaceChildren();
    } catch (error) {
      told.replaceChildren(failure(error));
    }
    button.disabled = false;
  } }, "Download compressed");
  return h("span", {}, button, told);
}

/** Say how many of each label are in the selection. */
function shares(tab, rows) {
  if (!tab.labels) return null;
  const counts = new Map();
  for (const row of rows) counts.set(tab.labels.values[row], (counts.get(tab.labels.values[row]) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 8);
  return h("p", { class: "note" }, sorted.map(([label, count]) => `${tab.labels.names[label] ?? "none"}: ${count}`).join(", "));
}

async function every(look, rows, work) {
  for (let start = 0; start < rows.length; start += 4096) {
    const part = rows.slice(start, start + 4096);
    work(part, (await look.latents(part)).z);
  }
}

/** Count mean and spread here, where the backend does not. */
async function counted(look, rows) {
  const [sum, square] = [new Float64Array(look.size), new Float64Array(look.size)];
  await every(look, rows, (_, z) => z.forEach((value, i) => {
    sum[i % look.size] += value;
    square[i % look.size] += value * value;
  }));
  const mean = Array.from(sum, (value) => value / rows.length);
  return { n: rows.length, mean, std: mean.map((value, d) => Math.sqrt(Math.max(0, square[d] / rows.length - value * value))) };
}

async function csv(look, rows) {
  const lines = [["row", ...Array.from({ length: look.size }, (_, d) => `z${d}`)].join(",")];
  await every(look, rows, (part, z) => part.forEach((row, i) => lines.push([row, ...z.subarray(i * look.size, (i + 1) * look.size)].join(","))));
  save(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }), "selection.csv");
}
