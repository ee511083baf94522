"use strict";
// Draws pictures by the steps of artgan.sharing.plan, in a Worker of the page, after numbers.js.
// Maps lie in memory as (height, width, channels).

const vector = data => ({data, h: 1, w: 1, c: data.length});

// Products (n, count) of rows (n, size) with rows of weights (count, size): two by four at a time, so that n is even and
// count a multiple of 4.
function products(rows, n, size, weights, count, out) {
  for (let r = 0; r < n; r += 2) {
    const p = r * size, q = p + size;
    for (let o = 0; o < count; o += 4) {
      const w0 = o * size, w1 = w0 + size, w2 = w1 + size, w3 = w2 + size;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      for (let i = 0; i < size; i++) {
        const a = rows[p + i], b = rows[q + i];
        const x0 = weights[w0 + i], x1 = weights[w1 + i], x2 = weights[w2 + i], x3 = weights[w3 + i];
        a0 += a * x0; a1 += a * x1; a2 += a * x2; a3 += a * x3;
        b0 += b * x0; b1 += b * x1; b2 += b * x2; b3 += b * x3;
      }
      const s = r * count + o, t = s + count;
      out[s] = a0; out[s + 1] = a1; out[s + 2] = a2; out[s + 3] = a3;
      out[t] = b0; out[t + 1] = b1; out[t + 2] = b2; out[t + 3] = b3;
    }
  }
  return out;
}

const even = n => 2 * Math.ceil(n / 2), fours = n => 4 * Math.ceil(n / 4);

// A transposed convolution of stride 2 is four plain ones, one for each parity of row and column, with every other tap.
function parities(weight, inside, outside, k) {
  const rows = fours(outside), found = [];
  for (const down of [0, 1]) {
    for (const across of [0, 1]) {
      const taps = [];
      for (let y = down; y < k; y += 2) for (let x = across; x < k; x += 2) taps.push([y, x]);
      const size = taps.length * inside, weights = new Float32Array(rows * size);
      for (let o = 0; o < outside; o++) {
        taps.forEach(([y, x], tap) => {
          for (let i = 0; i < inside; i++) {
            weights[o * size + tap * inside + i] = weight[((i * outside + o) * k + y) * k + x];
          }
        });
      }
      found.push({down, across, taps, size, weights, rows});
    }
  }
  return found;
}

function grow(x, step) {
  const [inside, outside, k] = step.weights.weight.shape, pad = step.numbers[0];
  step.parities ??= parities(step.weights.weight.data, inside, outside, k);
  const h = 2 * (x.h - 1) + k - 2 * pad, w = 2 * (x.w - 1) + k - 2 * pad;
  const out = new Float32Array(h * w * outside), bias = step.weights.bias?.data ?? new Float32Array(outside);
  for (const {down, across, taps, size, weights, rows} of step.parities) {
    const first = (across + pad) % 2, n = Math.ceil((w - first) / 2);
    const patches = new Float32Array(even(n) * size), made = new Float32Array(even(n) * rows);
    for (let oy = (down + pad) % 2; oy < h; oy += 2) {
      patches.fill(0);
      for (let r = 0; r < n; r++) {
        taps.forEach(([ky, kx], tap) => {
          const y = (oy + pad - ky) / 2, column = (first + 2 * r + pad - kx) / 2;
          if (y >= 0 && y < x.h && column >= 0 && column < x.w) {
            const start = (y * x.w + column) * inside;
            patches.set(x.data.subarray(start, start + inside), r * size + tap * inside);
          }
        });
      }
      products(patches, even(n), size, weights, rows, made);
      for (let r = 0; r < n; r++) {
        const at = (oy * w + first + 2 * r) * outside;
        for (let o = 0; o < outside; o++) out[at + o] = made[r * rows + o] + bias[o];
      }
    }
  }
  return {data: out, h, w, c: outside};
}

function dense(x, n, step) {  // rows (n, I) times weights (O, I)
  const [outside, inside] = step.weights.weight.shape, count = fours(outside);
  if (!step.padded) {
    step.padded = new Float32Array(count * inside);
    step.padded.set(step.weights.weight.data);
  }
  const rows = new Float32Array(even(n) * inside);
  rows.set(x);
  const made = products(rows, even(n), inside, step.padded, count, new Float32Array(even(n) * count));
  const out = new Float32Array(n * outside), bias = step.weights.bias?.data ?? new Float32Array(outside);
  for (let r = 0; r < n; r++) for (let o = 0; o < outside; o++) out[r * outside + o] = made[r * count + o] + bias[o];
  return out;
}

// Means over cells beside one another: offsets from `from` to `to` in both directions, of those inside only.
function means(x, h, w, from, to) {
  const out = new Float32Array(h * w * x.c);
  for (let y = 0; y < h; y++) {
    for (let column = 0; column < w; column++) {
      const top = Math.max(0, y + from), bottom = Math.min(x.h - 1, y + to);
      const left = Math.max(0, column + from), right = Math.min(x.w - 1, column + to);
      const share = 1 / ((bottom - top + 1) * (right - left + 1));
      for (let c = 0; c < x.c; c++) {
        let sum = 0;
        for (let j = top; j <= bottom; j++) for (let i = left; i <= right; i++) sum += x.data[(j * x.w + i) * x.c + c];
        out[(y * w + column) * x.c + c] = sum * share;
      }
    }
  }
  return {data: out, h, w, c: x.c};
}

function add(a, b) {
  const data = new Float32Array(a.data.length);
  for (let i = 0; i < data.length; i++) data[i] = a.data[i] + b.data[i];
  return {...a, data};
}

function shape(x, [c, h, w]) {
  const data = new Float32Array(c * h * w);
  for (let i = 0; i < c; i++) for (let cell = 0; cell < h * w; cell++) data[cell * c + i] = x.data[i * h * w + cell];
  return {data, h, w, c};
}

function style(x, gain, bias) {
  const data = new Float32Array(x.data.length), c = x.c;
  for (let at = 0; at < data.length; at += c) {
    for (let i = 0; i < c; i++) data[at + i] = x.data[at + i] * gain.data[i] + bias.data[i];
  }
  return {...x, data};
}

function bent(x, slope) {  // what is negative, times the slope
  const data = new Float32Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = x.data[i] < 0 ? slope * x.data[i] : x.data[i];
  return {...x, data};
}

function doubled(x) {
  const large = {h: 2 * x.h, w: 2 * x.w, c: x.c, data: new Float32Array(4 * x.data.length)};
  for (let y = 0; y < large.h; y++) {
    for (let i = 0; i < large.w; i++) {
      const from = ((y >> 1) * x.w + (i >> 1)) * x.c;
      for (let c = 0; c < x.c; c++) large.data[(y * large.w + i) * x.c + c] = x.data[from + c];
    }
  }
  return means(large, large.h, large.w, -1, 1);
}

const STEPS = {
  linear: (step, x) => vector(dense(x.data, 1, step)),
  look_up: (step, label) => {
    const size = step.weights.weight.shape[1];
    return vector(step.weights.weight.data.slice(label * size, (label + 1) * size));
  },
  join: (step, a, b) => vector(Float32Array.of(...a.data, ...b.data)),
  add: (step, a, b) => add(a, b),
  shape: (step, x) => shape(x, step.numbers),
  grow: (step, x) => grow(x, step),
  blur: (step, x) => means(x, x.h - 1, x.w - 1, 0, 1),
  mix: (step, x) => ({data: dense(x.data, x.h * x.w, step), h: x.h, w: x.w, c: step.weights.weight.shape[0]}),
  style: (step, x, gain, bias) => style(x, gain, bias),
  double: (step, x) => doubled(x),
  relu: (step, x) => bent(x, 0),
  leaky: (step, x) => bent(x, 0.2),
  tanh: (step, x) => ({...x, data: x.data.map(Math.tanh)}),
};

// {z, label, text, sliders} to bytes (height, width, channels), and the latent that the sliders led to.
function draw(model, given) {
  const values = {label: given.label};
  for (const name of ["z", "text", "sliders"]) if (given[name]) values[name] = vector(given[name]);
  for (const step of model.steps) {
    values[step.gives] = STEPS[step.kind](step, ...step.takes.map(name => values[name]));
  }
  const {data, h, w, c} = values.picture, steered = model.steps.find(({kind, takes}) => kind === "add" && takes[0] === "z");
  const bytes = Uint8ClampedArray.from(data, value => (value + 1) * 127.5);  // which rounds to nearest, even from halves
  return {bytes, height: h, width: w, channels: c, z: values[steered?.gives ?? "z"].data};
}

// Weights lie one after another, as halves (IEEE 754 binary16) or singles, little-endian.
function unpack(model, packed) {
  const raw = atob(packed), bytes = new Uint8Array(raw.length), view = new DataView(bytes.buffer);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const halves = new Float32Array(1 << 16);
  for (let bits = 0; bits < halves.length; bits++) {
    const power = (bits >> 10) & 31, rest = bits & 1023, sign = bits >> 15 ? -1 : 1;
    halves[bits] = sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : 2 ** -24 * rest);
  }
  let at = 0;
  for (const step of model.steps) {
    for (const weight of Object.values(step.weights)) {
      weight.data = new Float32Array(weight.shape.reduce((a, b) => a * b, 1));
      for (let i = 0; i < weight.data.length; i++, at += model.bytes) {
        weight.data[i] = model.bytes === 2 ? halves[view.getUint16(at, true)] : view.getFloat32(at, true);
      }
    }
  }
  return model;
}

// --- what the page asks for

let model = null;

function answer({kind, ...asked}) {
  if (kind === "open") {
    model = unpack(asked.model, asked.weights);
    return {kind};
  }
  const started = performance.now(), {from, to, t} = asked.place;
  const places = [from, to].map(seed => seed === null ? null : latent(seed, model.z_dim, asked.truncation));
  const given = {z: places[1] ? slerp(...places, t) : places[0], label: asked.label};
  if (asked.text !== undefined) given.text = caption(asked.text, model.buckets);
  if (asked.sliders.length) given.sliders = Float32Array.from(asked.sliders);
  return {kind, ...draw(model, given), asked, milliseconds: performance.now() - started};
}

if (typeof document === "undefined" && typeof postMessage === "function") {
  onmessage = ({data}) => {
    try { postMessage(answer(data)); } catch (error) { postMessage({kind: "failed", reason: String(error)}); }
  };
}
