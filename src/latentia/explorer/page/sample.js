// The tab Sample: new data from the prior or a fitted sampler, by class, level by level, with their codes.

import { codeGrid } from "./codes.js";
import { check, choice, failure, field, h, loading } from "./dom.js";
import { saveNpy, savePng } from "./files.js";
import { gallery, pictorial } from "./picture.js";
import { store } from "./store.js";

const PER_ROW = 8;
const LOOKS = 8;

export async function sampleTab(app, look) {
  const { run } = look;
  const result = h("div", { class: "samples", "aria-live": "polite" });
  let made = null;
  let newest = 0;
  const draw = async () => {
    const own = ++newest; // an answer that was overtaken by a later question is not shown
    const seed = store.get("seed");
    const bar = loading("Sampling …");
    const waiting = setTimeout(() => own === newest && result.replaceChildren(bar), 150);
    try {
      const found = await asked(app, look);
      if (own !== newest) return;
      made = found;
      result.replaceChildren(...made.map((group) => shownGroup(run, group)));
      result.dataset.seed = seed;
    } catch (error) {
      if (own === newest) result.replaceChildren(failure(error));
    } finally {
      clearTimeout(waiting);
    }
  };
  const number = (key, name, { text, ...properties }, note) => {
    const keep = () => (store.set(key, text ? input.value : Number(input.value)), draw());
    const input = h("input", { type: "number", value: store.get(key), ...properties, onchange: keep });
    return field(name, input, note);
  };
  const names = { mixture: "mixture of Gaussians", two_stage: "two-stage", run: `the run ${run.walks.run?.title ?? ""}` };
  const sampler = (value) => {
    store.set("sampler", value);
    walk.replaceChildren(...walkFields());
    draw();
  };
  const parts = [field("Latents from", choice(run.samplers.map((name) => [name, names[name] ?? name]), store.get("sampler"), sampler))];
  parts.push(number("n", "How many", { min: 1, max: 256 }));
  const seed = number("seed", "Seed", { min: 0, max: 4294967295 });
  const next = h("button", { type: "button", onclick: () => {
    store.set("seed", store.get("seed") + 1);
    seed.querySelector("input").value = store.get("seed");
    draw();
  } }, "Next seed");
  parts.push(seed, next);
  if (!run.codes) {
    parts.push(number("truncation", "Truncation", { min: 0.1, step: 0.1, text: true, placeholder: "none" }, "prior only, in standard deviations"));
    parts.push(number("temperature", "Temperature", { min: 0.1, step: 0.1, text: true, placeholder: "1" }, "prior only"));
  }
  parts.push(check("decoder noise", store.get("noise"), (on) => (store.set("noise", on), draw())));
  const walk = h("div", { class: "tools" });
  const walkFields = () => {
    const { guidance, conditions } = walkOf(run) ?? {};
    if (guidance === undefined) return [];
    const told = [["", "as in the data"], ["each", "each in turn"], ...(conditions ?? []).map((name, i) => [String(i), name])];
    return [
      number("steps", "Steps", { min: 1, max: 1000, step: 1, text: true, placeholder: "usual" }),
      guidance ? number("guidance", "Guidance", { min: 0, max: 100, step: 0.5, text: true, placeholder: "1" }, "towards the class") : null,
      conditions.length ? field("Class", choice(told, store.get("class"), (value) => (store.set("class", value), draw()))) : null,
      check("from noise, step by step", store.get("denoising"), (on) => (store.set("denoising", on), draw())),
    ].filter(Boolean);
  };
  walk.append(...walkFields());
  parts.push(walk);
  if (run.condition?.options.length) {
    const options = [["", "as in the data"], ["each", "each in turn"], ...run.condition.options.map(({ name }, i) => [String(i), name])];
    parts.push(field("Class", choice(options, store.get("class"), (value) => (store.set("class", value), draw()))));
  }
  if (run.levels.length) parts.push(check("level by level", store.get("kept") > 0, (on) => (store.set("kept", on ? 1 : 0), draw())));
  const stem = () => `${run.name}-seed${store.get("seed")}`;
  const downloads = [
    h("button", { type: "button", onclick: () => made && savePng(result, `${stem()}.png`) }, "Download PNG"),
    h("button", { type: "button", onclick: () => made && saveAll(made, run, stem()) }, "Download NPY"),
  ];
  draw();
  return h("div", { class: "sample" }, h("section", { class: "card tools" }, parts, h("div", { class: "buttons" }, downloads)), result);
}

/** What is known of a sampler that draws step by step from noise. */
const walkOf = (run) => run.walks[store.get("sampler")];

/** Ask for samples: one group, one for each class, or one for each level that is kept. */
async function asked(app, look) {
  const { run } = look;
  const prior = store.get("sampler") === "prior" && !run.codes;
  const options = {
    n: Math.max(1, Math.min(256, store.get("n"))), seed: store.get("seed"), sampler: store.get("sampler"), noise: store.get("noise"),
    truncation: prior && Number(store.get("truncation")) || null, temperature: prior && Number(store.get("temperature")) || null,
  };
  const walk = walkOf(run);
  if (walk) {
    if (store.get("steps")) options.steps = Number(store.get("steps"));
    if (walk.guidance && store.get("guidance") !== "") options.guidance = Number(store.get("guidance"));
    if (store.get("denoising")) options.path = LOOKS;
  }
  const draw = async (title, more) => ({ title, ...(await app.backend.sample(run.id, { ...options, ...more })) });
  const label = `seed ${options.seed}`;
  if (store.get("kept") > 0 && run.levels.length) {
    const groups = [];
    for (let kept = 0; kept < run.levels.length; kept++) {
      const title = kept ? `${kept} of ${run.levels.length} levels kept, from the top; those below drawn anew` : "all levels drawn anew";
      groups.push(await draw(`${title}, ${label}`, { kept, n: PER_ROW }));
    }
    return groups;
  }
  const conditions = walk?.conditions.length ? walk.conditions.map((name) => ({ name, row: name })) : (run.condition?.options ?? []);
  if (store.get("class") === "each") {
    const groups = [];
    for (const { name, row } of conditions) groups.push(await draw(name, { condition: row, n: PER_ROW }));
    return groups;
  }
  const chosen = conditions[Number(store.get("class") || NaN)];
  return [await draw(chosen ? `${chosen.name}, ${label}` : label, chosen ? { condition: chosen.row } : {})];
}

function shownGroup(run, { title, x, n, codes, path, shapes }) {
  const side = pictorial(run) ? (n <= 64 ? 72 : 48) : 150;
  const parts = [h("h3", {}, title), gallery(run, x, n, side, `sample, ${title},`)];
  if (codes) parts.push(codeGrid(run, { values: codes, shape: shapes.codes }, Math.min(n, 16)));
  if (path) parts.push(strips(run, path, shapes.path));
  return h("section", { class: "card" }, parts);
}

/** What the denoiser takes the first samples for on their way from noise, a strip for each. */
function strips(run, path, [samples, looks]) {
  const each = path.length / samples;
  const rows = Array.from({ length: samples }, (_, i) => [
    h("span", { class: "label" }, `${i + 1}`),
    gallery(run, path.subarray(i * each, (i + 1) * each), looks, pictorial(run) ? 48 : 110, `sample ${i + 1} from noise, step`),
  ]);
  return h("div", {}, h("h3", {}, "From noise, step by step"), h("div", { class: "strips denoising" }, rows.flat()));
}

function saveAll(groups, run, stem) {
  const all = new Float32Array(groups.reduce((sum, { x }) => sum + x.length, 0));
  let at = 0;
  for (const { x } of groups) {
    all.set(x, at);
    at += x.length;
  }
  saveNpy(all, [groups.reduce((sum, { n }) => sum + n, 0), ...run.event], `${stem}.npy`);
}
