"use strict";
// Seeds and words as numbers, the same that artgan makes of them in Python.

// --- the numbers of a seed: torch.randn(n, generator=torch.Generator().manual_seed(seed)) on a CPU

class Twister {
  // Matsumoto & Nishimura 1998; PyTorch seeds it with the lower 32 bits.
  constructor(seed) {
    this.state = new Uint32Array(624);
    this.at = 624;
    this.state[0] = Number(BigInt(seed) & 0xffffffffn);
    for (let i = 1; i < 624; i++) {
      const before = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, before) + i;
    }
  }

  next() {
    const s = this.state;
    if (this.at === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (s[i] & 0x80000000) | (s[(i + 1) % 624] & 0x7fffffff);
        s[i] = s[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.at = 0;
    }
    let y = s[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  single() { return (this.next() & 0xffffff) / 0x1000000; }

  double() {
    const high = this.next(), low = this.next();
    return ((high & 0x1fffff) * 0x100000000 + low) / 0x20000000000000;
  }
}

function normals(seed, count) {
  const draw = new Twister(seed), z = new Float32Array(count);
  if (count < 16) {  // PyTorch draws few numbers in pairs and in double precision
    for (let i = 0; i < count; i += 2) {
      const u = draw.double(), r = Math.sqrt(-2 * Math.log1p(-draw.double()));
      z[i] = r * Math.cos(2 * Math.PI * u);
      if (i + 1 < count) z[i + 1] = r * Math.sin(2 * Math.PI * u);
    }
    return z;
  }
  const blend = start => {  // Box & Muller 1958: eight and eight make sixteen
    for (let i = start; i < start + 8; i++) {
      const r = Math.sqrt(-2 * Math.log(1 - z[i])), angle = 2 * Math.PI * z[i + 8];
      z[i] = r * Math.cos(angle);
      z[i + 8] = r * Math.sin(angle);
    }
  };
  for (let i = 0; i < count; i++) z[i] = draw.single();
  for (let i = 0; i + 16 <= count; i += 16) blend(i);
  if (count % 16) {  // the last sixteen once more
    for (let i = count - 16; i < count; i++) z[i] = draw.single();
    blend(count - 16);
  }
  return z;
}

// --- truncation: whatever lies outside is drawn again (Brock et al. 2018), by the inverse of the normal distribution

function ndtr(x) {  // the share of a normal distribution that lies below x
  const a = Math.abs(x);
  if (a > 38) return x > 0 ? 1 : 0;
  const density = Math.exp(-a * a / 2) / Math.sqrt(2 * Math.PI);
  let inner, tail;
  if (a < 3) {  // the series x + x^3 / 3 + x^5 / 15 + ... times the density
    let term = a;
    inner = a;
    for (let n = 3; term > inner * 1e-17; n += 2) inner += term *= a * a / n;
    tail = 0.5 - inner * density;
  } else {  // Laplace's continued fraction
    let fraction = a;
    for (let n = 100; n > 0; n--) fraction = a + n / fraction;
    tail = density / fraction;
  }
  return x > 0 ? 1 - tail : tail;
}

function ndtri(p) {  // its inverse: halving a bracket, and Newton's steps where they stay inside
  let low = -40, high = 40, x = 0;
  for (let n = 0; n < 200 && high - low > 1e-12; n++) {
    const miss = ndtr(x) - p;
    if (miss > 0) high = x; else low = x;
    const step = x - miss * Math.sqrt(2 * Math.PI) * Math.exp(x * x / 2);
    if (Math.abs(step - x) < 1e-13) return step;
    x = step > low && step < high ? step : (low + high) / 2;
  }
  return x;
}

function truncated(z, edge) {
  const share = ndtr(edge);
  return z.map(value => ndtri(1 - share + ndtr(value) * (2 * share - 1)));
}

function latent(seed, count, truncation) {
  const z = normals(seed, count);
  return truncation ? truncated(z, truncation) : z;
}

// --- between seeds: as `artgan walk --path slerp`

function slerp(from, to, t) {
  const length = v => Math.hypot(...v), a = length(from), b = length(to);
  const u = Array.from(from, x => x / (a || 1)), v = Array.from(to, x => x / (b || 1));
  const dot = u.reduce((sum, x, i) => sum + x * v[i], 0);
  let aside = v.map((x, i) => x - dot * u[i]);
  const size = length(aside);
  if (size > 1e-12) aside = aside.map(x => x / size);
  else {  // alike or opposite: around by a direction at right angles
    const axis = u.reduce((least, x, i) => Math.abs(x) < Math.abs(u[least]) ? i : least, 0);
    aside = u.map((x, i) => (i === axis ? 1 : 0) - u[axis] * x);
    const width = length(aside) || 1;
    aside = aside.map(x => x / width);
  }
  const angle = Math.atan2(size, dot) * t, long = (1 - t) * a + t * b;
  return Float32Array.from(u, (x, i) => long * (Math.cos(angle) * x + Math.sin(angle) * aside[i]));
}

// --- words: artgan.engine.captions

const WORD64 = (1n << 64n) - 1n;
const BLAKE_IV = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const BLAKE_ORDERS = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d",
  "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0",
].map(row => Array.from(row, digit => parseInt(digit, 16)));
const BLAKE_MIXES = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15], [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];

function blake64(bytes) {  // BLAKE2b of 8 bytes (RFC 7693), as a big-endian number
  const turned = (x, by) => ((x >> by) | (x << (64n - by))) & WORD64;
  const h = [...BLAKE_IV];
  h[0] ^= 0x01010008n;
  for (let start = 0, whole = 0; whole === 0; start += 128) {
    const end = Math.min(start + 128, bytes.length);
    const block = new Uint8Array(128);
    block.set(bytes.subarray(start, end));
    const words = new DataView(block.buffer), m = Array.from({length: 16}, (_, i) => words.getBigUint64(8 * i, true));
    whole = end === bytes.length ? 1 : 0;
    const v = [...h, ...BLAKE_IV];
    v[12] ^= BigInt(end);
    if (whole) v[14] ^= WORD64;
    for (let round = 0; round < 12; round++) {
      BLAKE_MIXES.forEach(([a, b, c, d], i) => {
        const order = BLAKE_ORDERS[round % 10];
        [[32n, 24n, 2 * i], [16n, 63n, 2 * i + 1]].forEach(([one, two, place]) => {
          v[a] = (v[a] + v[b] + m[order[place]]) & WORD64;
          v[d] = turned(v[d] ^ v[a], one);
          v[c] = (v[c] + v[d]) & WORD64;
          v[b] = turned(v[b] ^ v[c], two);
        });
      });
    }
    for (let i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
  }
  const out = new DataView(new ArrayBuffer(8));
  out.setBigUint64(0, h[0], true);
  return out.getBigUint64(0);
}

function caption(text, buckets) {
  // Upper and then lower case stands in for Python's casefold: ß is ss, and a Greek word ends like any other.
  const folded = text.normalize("NFKC").toUpperCase().toLowerCase().replaceAll("ς", "σ");
  const vector = new Float64Array(buckets), encoder = new TextEncoder();
  for (const word of new Set(folded.match(/[\p{L}\p{N}]+/gu) ?? [])) {
    const letters = Array.from(`<${word}>`);
    const groups = new Set(letters.slice(2).map((_, i) => letters.slice(i, i + 3).join("")));
    const features = [[`word ${word}`, 1], ...Array.from(groups, group => [`part ${group}`, groups.size ** -0.5])];
    for (const [feature, weight] of features) {
      const number = blake64(encoder.encode(feature));
      vector[Number(number / 2n % BigInt(buckets))] += number % 2n ? weight : -weight;
    }
  }
  const length = Math.hypot(...vector);
  return Float32Array.from(vector, x => length ? x / length : x);
}
