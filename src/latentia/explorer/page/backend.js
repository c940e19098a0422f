// The border between the page and what computes. Everything above it (app.js and the tabs) knows only this
// object; `choice.js` says which module makes it: this one talks to `latentia explore`, static.js decodes in
// the browser.
//
//   open() -> backend                    (async; throws Error with one line that a person can read)
//
//   backend.state                        what `GET explore/state` gives, plain JSON:
//     { title, axis: {name, values, spoken} | null, can: [method names], runs: [run] }
//     run = { id: 0.., name, label, model, kind: "image" | "vector" | "video" | "array", event: [1, 28, 28], latent: [2],
//             low, high,                 the values drawn as black and white
//             columns: [names], ranges: [[low, high]],           of a table
//             schema: null | [{kind, words: [categories], decimals | null, origin: milliseconds | null, day}]
//             bound, samplers: [names], walks: {sampler: {guidance: bool, conditions: [names], title}},   (of diffusions)
//             levels: [sizes], codes: {shape: grid, size} | null,
//             condition: null | { size, options: [{name, row: [numbers]}] },
//             rate_distortion: {rate, distortion, mse, split} (null where unknown),
//             lossless: whether examples can be written without loss }
//
//   All arrays are Float32Array, one example per row, flat, in the units of the data; rows of examples are
//   positions 0..count-1. All methods are async and throw Error with a readable message.
//
//   backend.prepare(id, tick) -> ready   encodes the data (once); tick(share, what) tells of progress
//     ready = { count, ways: [names], columns: [{name, names: [strings] | null, unit}],
//               dims: [{kl | null, mean, std, active}], order: [dims, most used first], centre: [D numbers],
//               directions: null | {mean: [D], rows: [[D]], std: [K], shares: [K percent]} }   of a grid: what moves it
//   backend.map(id, way, tick) -> { points: Float32Array(2 n), rows: Int32Array(n) | null (null: 0..n-1),
//               axes: [x, y], method, title, exact }             exact: the plane is the latent itself
//   backend.column(id, number) -> Float32Array(count)            of ready.columns; a category as its number, -1 none
//   backend.examples(id, rows) -> Float32Array(n * event)        the data themselves
//   backend.latents(id, rows) -> { z: Float32Array(n * D), c: Float32Array(n * C) | null }
//   backend.decode(id, z, n, c | null, stream = 0) -> Float32Array(n * event), or null where a newer call with
//               the same stream (> 0) took its place
//
//   Optional, listed in state.can:
//   backend.sample(id, {n, sampler, seed, truncation, temperature, noise, condition, kept, steps, guidance, path}) ->
//               { x: Float32Array, n, z, codes: Int32Array | null, shapes: {codes: [n, levels, ...grid]},
//                 path: Float32Array | null, shapes.path: [samples, looks, ...event] }   what noise is taken for on its way
//   backend.select(id, rows) -> { n, mean: [D], std: [D] }
//   backend.export(id, rows) -> Blob (.npz)
//   backend.compress(id, rows) -> Blob (.lat), for runs that are lossless
//   backend.place(id, blob, {invert, condition: number of an option | ""}) -> { x, z, c, reconstruction, point: {way: [x, y]}, error, error_rank, rate, rate_rank }
//   backend.health(id) -> { figures, missing, verdict, diagnosis, warnings, about } | { command }

const TYPES = { f4: Float32Array, i4: Int32Array, u1: Uint8Array };

/** Read what routes.packed wrote: a length, a JSON header, and the arrays that it names. */
export function unpack(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  let at = 4 + size;
  for (const { name, type, shape } of header.arrays) {
    const count = shape.reduce((a, b) => a * b, 1);
    header[name] = shape.length ? new TYPES[type](buffer.slice(at, at + TYPES[type].BYTES_PER_ELEMENT * count)) : null;
    header.shapes = { ...header.shapes, [name]: shape };
    at += shape.length ? TYPES[type].BYTES_PER_ELEMENT * count : 0;
  }
  return header;
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch("explore/" + path, options);
  } catch {
    throw new Error("The server does not answer. Is 'latentia explore' still running?");
  }
  if (answer.ok) return answer;
  let line = `${answer.status} ${answer.statusText}`;
  try {
    line = (await answer.json()).error ?? line;
  } catch {
    // not JSON: the status line says it
  }
  throw new Error(line);
}

const json = async (path, options) => (await ask(path, options)).json();
const packed = async (path, options) => unpack(await (await ask(path, options)).arrayBuffer());
const post = (body) => ({ method: "POST", body, headers: { "content-type": "application/octet-stream" } });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Ask again until a job is done, and tell of its progress. */
async function until(path, tick) {
  for (let wait = 20; ; wait = Math.min(400, wait * 1.5)) {
    const job = await json(path);
    if (job.done) return job.result;
    tick?.(job.share, job.what);
    await pause(wait);
  }
}

/** The WebSocket over which everything is decoded: [id, run, n, stream, conditioned] and floats, back [id, status] and floats. */
class Live {
  constructor() {
    this.waiting = new Map();
    this.next = 1;
  }

  connect() {
    const url = new URL("explore/live", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    this.ready = new Promise((done, fail) => {
      const socket = new WebSocket(url);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => done(socket);
      socket.onmessage = (event) => this.answer(event.data);
      socket.onclose = socket.onerror = () => {
        const error = new Error("The connection to the server is lost. Is 'latentia explore' still running?");
        fail(error);
        for (const [, reject] of this.waiting.values()) reject(error);
        this.waiting.clear();
        this.ready = null;
      };
    });
    this.ready.catch(() => {});
    return this.ready;
  }

  answer(buffer) {
    const [id, status] = new Uint32Array(buffer, 0, 2);
    const [resolve, reject] = this.waiting.get(id) ?? [];
    this.waiting.delete(id);
    if (!resolve) return;
    if (status === 0) resolve(new Float32Array(buffer, 8));
    else if (status === 1) resolve(null);
    else reject(new Error(new TextDecoder().decode(new Uint8Array(buffer, 8))));
  }

  async decode(run, z, n, c, stream) {
    const socket = await (this.ready ?? this.connect());
    const id = this.next++;
    const frame = new ArrayBuffer(20 + 4 * (z.length + (c ? c.length : 0)));
    new Uint32Array(frame, 0, 5).set([id, run, n, stream, c ? 1 : 0]);
    const floats = new Float32Array(frame, 20);
    floats.set(z);
    if (c) floats.set(c, z.length);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, [resolve, reject]);
      socket.send(frame);
    });
  }
}

class Server {
  constructor(state) {
    this.state = state;
    this.live = new Live();
  }

  prepare(id, tick) {
    return until(`${id}/ready`, tick);
  }

  async map(id, way, tick) {
    const about = await until(`${id}/map/${way}`, tick);
    return { ...about, ...(await packed(`${id}/map/${way}/points`)) };
  }

  async column(id, number) {
    return (await packed(`${id}/column/${number}`)).values;
  }

  async examples(id, rows) {
    return (await packed(`${id}/examples`, post(Int32Array.from(rows)))).x;
  }

  latents(id, rows) {
    return packed(`${id}/latents`, post(Int32Array.from(rows)));
  }

  decode(id, z, n, c = null, stream = 0) {
    return this.live.decode(id, Float32Array.from(z), n, c, stream);
  }

  sample(id, options) {
    return packed(`${id}/sample`, {
      method: "POST",
      body: JSON.stringify(options),
      headers: { "content-type": "application/json" },
    });
  }

  select(id, rows) {
    return json(`${id}/select`, post(Int32Array.from(rows)));
  }

  async export(id, rows) {
    return (await ask(`${id}/export`, post(Int32Array.from(rows)))).blob();
  }

  async compress(id, rows) {
    return (await ask(`${id}/compress`, post(Int32Array.from(rows)))).blob();
  }

  place(id, blob, { invert = false, condition = "" } = {}) {
    return packed(`${id}/place?invert=${invert}${condition === "" ? "" : `&condition=${condition}`}`, post(blob));
  }

  health(id) {
    return json(`${id}/health`);
  }
}

/** Connect to the server that gave this page. */
export async function open() {
  const backend = new Server(await json("state"));
  backend.live.connect();
  return backend;
}
