// The backend of a static export: everything that was computed lies in files beside the page, and latents are
// decoded here, by ONNX Runtime Web. It has the interface that backend.js describes. What it does not have is
// missing in `state.can`.
//
// A file is a script that puts gzip, as base64, under its name into `latentiaFiles`: scripts are all that a page
// opened from a disk (file://) may load, and any web server sends them. Nothing depends on types or headers.

import { unpack } from "./backend.js";

const PART = 64; // latents that are decoded before the page may breathe

/** Load a file of the export as bytes. */
async function load(name) {
  await script(`files/${name}.js`);
  const text = globalThis.latentiaFiles[name];
  delete globalThis.latentiaFiles[name];
  // Not by fetch() of a data: address: browsers limit the length of one, and it takes five times as long.
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

function script(path) {
  return new Promise((done, fail) => {
    const element = document.createElement("script");
    element.src = new URL(path, document.baseURI).href;
    element.onload = done;
    element.onerror = () => fail(new Error(`${path} is missing; copy the whole folder of the export`));
    document.head.append(element);
  });
}

/** Start ONNX Runtime Web, once. */
async function start() {
  if (!globalThis.WebAssembly || !globalThis.DecompressionStream) {
    throw new Error("This browser is too old to decode: it has no WebAssembly or no DecompressionStream.");
  }
  const [glue, wasm] = await Promise.all([load("ort-wasm-simd-threaded.mjs"), load("ort-wasm-simd-threaded.wasm"), script("files/ort.js")]);
  const { ort } = globalThis;
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([glue], { type: "text/javascript" })) };
  return ort;
}

const breath = () => new Promise((done) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => (port1.close(), done());
  port2.postMessage(0);
});

/** One run's decoder. Calls wait for each other; of one stream only the newest is computed. */
class Decoder {
  constructor(run, runtime) {
    this.run = run;
    this.tail = Promise.resolve();
    this.newest = new Map();
    this.opened = this.open(runtime);
    this.opened.catch(() => {});
  }

  async open(runtime) {
    const [ort, model] = await Promise.all([runtime, load(`decoder-${this.run.id}`)]);
    const session = await ort.InferenceSession.create(new Uint8Array(model), { executionProviders: ["wasm"] });
    return { ort, session };
  }

  decode(z, n, c, stream) {
    const ticket = {};
    if (stream) this.newest.set(stream, ticket);
    const old = () => stream && this.newest.get(stream) !== ticket;
    const mine = this.tail.then(async () => {
      const opened = await this.opened;
      await breath();
      return old() ? null : this.compute(opened, z, n, c);
    });
    this.tail = mine.catch(() => {});
    return mine;
  }

  async compute({ ort, session }, z, n, c) {
    const { event, latent, condition } = this.run;
    const size = (shape) => shape.reduce((a, b) => a * b, 1);
    const [values, numbers] = [size(event), size(latent)];
    if (z.length !== n * numbers || !z.every(Number.isFinite)) throw new Error(`These are not ${n} latents of ${numbers} finite numbers.`);
    if (condition && !c && !condition.unknown) throw new Error("This model needs a condition to decode.");
    const told = condition && (c ?? new Float32Array(n * condition.size).fill(NaN));
    const out = new Float32Array(n * values);
    for (let at = 0; at < n; at += PART) {
      const count = Math.min(PART, n - at);
      const rows = (array, width) => array.slice(at * width, (at + count) * width);
      const fed = { z: new ort.Tensor("float32", rows(z, numbers), [count, ...latent]) };
      if (condition) fed.c = new ort.Tensor("float32", rows(told, condition.size), [count, condition.size]);
      const { x } = await session.run(fed);
      out.set(x.data, at * values);
      x.dispose();
      if (at + count < n) await breath();
    }
    return out;
  }
}

/** Random numbers from a seed: mulberry32, and normal ones from them. */
function normals(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  /** Draw within -limit and limit: of uniform or normal proposals at least six in ten are kept, whatever the limit. */
  const truncated = (limit) => {
    for (;;) {
      if (limit > 1) {
        const value = normal();
        if (Math.abs(value) <= limit) return value;
      } else {
        const value = limit * (2 * uniform() - 1);
        if (uniform() <= Math.exp(-value * value / 2)) return value;
      }
    }
  };
  return { uniform, normal, truncated };
}

class Static {
  constructor(state) {
    this.state = state;
    const runtime = start();
    runtime.catch(() => {}); // a decoder says so when it is asked
    this.runtime = runtime;
    this.decoders = new Map();
    this.data = new Map();
  }

  of(map, id, make) {
    if (!map.has(id)) map.set(id, make());
    return map.get(id);
  }

  decoder(id) {
    return this.of(this.decoders, id, () => new Decoder(this.state.runs[id], this.runtime));
  }

  files(id) {
    return this.of(this.data, id, async () => unpack(await load(`data-${id}`)));
  }

  async prepare(id) {
    this.decoder(id);
    return (await this.files(id)).ready;
  }

  async map(id, way) {
    const data = await this.files(id);
    return { ...data.maps[way], points: data[`points ${way}`], rows: data[`rows ${way}`] ?? null };
  }

  async column(id, number) {
    return (await this.files(id))[`column ${number}`];
  }

  async examples(id, rows) {
    return picked(await this.files(id), "x", rows);
  }

  async latents(id, rows) {
    const data = await this.files(id);
    return { z: picked(data, "z", rows), c: data.c ? picked(data, "c", rows) : null };
  }

  decode(id, z, n, c = null, stream = 0) {
    return this.decoder(id).decode(Float32Array.from(z), n, c && Float32Array.from(c), stream);
  }

  async select(id, rows) {
    const data = await this.files(id);
    const z = picked(data, "z", rows);
    const size = z.length / rows.length;
    const mean = new Array(size).fill(0);
    const std = new Array(size).fill(0);
    z.forEach((value, i) => (mean[i % size] += value / rows.length));
    z.forEach((value, i) => (std[i % size] += (value - mean[i % size]) ** 2 / rows.length));
    return { n: rows.length, mean, std: std.map(Math.sqrt) };
  }

  /** Draw latents: from a standard normal here, else among those that were drawn for the export. */
  async sample(id, { n = 36, sampler = "prior", seed = 0, truncation, temperature, noise, condition, kept }) {
    const run = this.state.runs[id];
    const data = await this.files(id);
    const free = sampler === "prior" && data.normal;
    if (noise) throw new Error("Decoder noise needs the server: latentia explore.");
    if (kept) throw new Error("Level by level needs the server: latentia explore.");
    if (!free && (truncation || temperature)) throw new Error("Truncation and temperature of this prior need the server: latentia explore.");
    const { uniform, normal, truncated } = normals(seed);
    const size = run.latent.reduce((a, b) => a * b, 1);
    const drawn = data[`drawn ${sampler}`];
    const told = drawn && data[`told ${sampler}`];
    const pool = told && condition ? alike(told, condition) : [];  // of the class, or of all where none was drawn
    const count = pool.length || (drawn ? drawn.length / size : data.ready.count);
    const rows = Array.from({ length: n }, () => Math.floor(uniform() * count)).map((row) => pool[row] ?? row);
    if (truncation < 0) throw new Error("The truncation must be above 0, in standard deviations.");
    const limited = () => (truncation ? truncated(truncation) : normal()) * (temperature || 1);
    const z = free ? Float32Array.from({ length: n * size }, limited) : picked({ z: drawn, shapes: { z: [0, size] } }, "z", rows);
    let c = null;
    if (run.condition) {
      const own = told ?? data.c;
      c = condition ? Float32Array.from({ length: n * condition.length }, (_, i) => condition[i % condition.length])
        : picked({ c: own, shapes: { c: [0, run.condition.size] } }, "c", rows);
    }
    return { x: await this.decode(id, z, n, c), n, shape: [n, ...run.event], z, codes: null };
  }

  async health(id) {
    return (await this.files(id)).health;
  }
}

/** Find the rows of an array that are one row. */
function alike(data, row) {
  const rows = Array.from({ length: data.length / row.length }, (_, i) => i);
  return rows.filter((i) => row.every((value, j) => data[i * row.length + j] === Math.fround(value)));
}

/** Take rows of an array as float32. */
function picked(data, name, rows) {
  const width = data.shapes[name].slice(1).reduce((a, b) => a * b, 1);
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, i) => out.set(data[name].subarray(row * width, (row + 1) * width), i * width));
  return out;
}

/** Open the export that this page belongs to. */
export async function open() {
  return new Static(JSON.parse(new TextDecoder().decode(await load("state"))));
}
