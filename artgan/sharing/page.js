"use strict";
// What one does with the page: it asks the Worker for pictures, one at a time, and shows what comes.

(() => {
  const $ = id => document.getElementById(id), told = JSON.parse($("told").textContent);
  const MOST = Number.MAX_SAFE_INTEGER, canvas = $("canvas"), brush = canvas.getContext("2d");
  const source = URL.createObjectURL(new Blob([$("drawing").textContent], {type: "text/javascript"}));
  const worker = new Worker(source);
  const sliders = [...document.querySelectorAll("#sliders input")];
  let spot = {from: 0, t: 0}, walking = false, then = 0, shown = null, busy = true, waiting = false;

  function say(text, wrong = false) {
    $("status").textContent = text;
    $("status").classList.toggle("wrong", wrong);
  }

  // --- what is asked for

  function place() {
    return {...spot, to: spot.t ? following(spot.from) : null};
  }

  function following(number) {
    return number < MOST ? number + 1 : 0;
  }

  function truncation() {
    const value = Number($("truncation").value);
    return value > 2.05 ? null : value;
  }

  function ask() {
    if (busy) {
      waiting = true;
      return;
    }
    busy = true;
    waiting = false;
    worker.postMessage({
      kind: "draw", place: place(), truncation: truncation(), label: Number($("class")?.value ?? 0),
      text: $("text")?.value, sliders: sliders.map(slider => Number(slider.value)),
    });
  }

  // --- what comes back

  function show(answer) {
    shown = answer;
    const {width, height, channels, bytes} = answer, pixels = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = bytes[channels * i + (channels < 3 ? 0 : c)];
      pixels.data[4 * i + 3] = channels === 4 ? bytes[4 * i + 3] : 255;
    }
    brush.putImageData(pixels, 0, 0);
    const what = described(answer.asked);
    canvas.setAttribute("aria-label", `Picture of ${what}`);
    canvas.dataset.drawn = what;
    if (!walking) say(`${what[0].toUpperCase()}${what.slice(1)}. Drawn in ${Math.round(answer.milliseconds)} ms.`);
  }

  function described({place, label, text, truncation, sliders}) {
    const said = [place.t ? `seeds ${place.from} to ${place.to}` : `seed ${place.from}`];
    if (told.takesText) said.push(`“${text}”`);
    if (told.classes.length) said.push(told.classes[label]);
    if (truncation !== null) said.push(`truncation ${truncation}`);
    told.sliders.forEach((name, i) => { if (sliders[i]) said.push(`${name} ${sliders[i]}`); });
    return said.join(", ");
  }

  worker.onmessage = ({data}) => {
    busy = false;
    if (data.kind === "failed") {
      say(`The picture cannot be drawn: ${data.reason}`, true);
      return;
    }
    if (data.kind === "open") ask();
    else show(data);
    if (waiting) ask();
    else if (walking && data.kind !== "open") requestAnimationFrame(step);
  };
  worker.onerror = event => say(`This browser cannot run the model: ${event.message}`, true);

  // --- walking

  function step(now) {
    if (!walking) return;
    spot.t += Math.min(now - then, 500) / 1000 / Number($("pace").value);
    then = now;
    while (spot.t >= 1) spot = {from: following(spot.from), t: spot.t - 1};
    $("seed").value = spot.from;
    ask();
  }

  function toggle() {  // it stops where it is, so that what one sees can be saved
    walking = !walking;
    then = performance.now();
    if (walking) say(`Walking on from seed ${spot.from}.`);
    ask();
    $("walk").textContent = walking ? "Stop" : "Walk from seed to seed";
    $("walk").setAttribute("aria-pressed", String(walking));
  }

  // --- seeds

  function go(number) {
    if (walking) toggle();
    spot = {from: Math.min(Math.max(number, 0), MOST), t: 0};
    $("seed").value = spot.from;
    $("seed").removeAttribute("aria-invalid");
    ask();
  }

  function typed() {
    const text = $("seed").value.trim();
    if (/^\d{1,16}$/.test(text) && Number(text) <= MOST) go(Number(text));
    else {
      $("seed").setAttribute("aria-invalid", "true");
      say(`Seeds are whole numbers from 0 to ${MOST.toLocaleString("en")}.`, true);
    }
  }

  // --- saving: a PNG of our own, since a canvas would round what is transparent, and says nothing of how it was made

  const CRCS = Uint32Array.from({length: 256}, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
  });

  function chunk(name, data) {
    const bytes = new Uint8Array(data.length + 12), view = new DataView(bytes.buffer);
    view.setUint32(0, data.length);
    bytes.set(Array.from(name, letter => letter.charCodeAt(0)), 4);
    bytes.set(data, 8);
    let crc = -1;
    for (let i = 4; i < data.length + 8; i++) crc = CRCS[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
    view.setUint32(data.length + 8, ~crc >>> 0);
    return bytes;
  }

  async function png({width, height, channels, bytes}, recipe) {
    const rows = new Uint8Array(height * (width * channels + 1)), head = new Uint8Array(13), view = new DataView(head.buffer);
    for (let y = 0; y < height; y++) {
      rows.set(bytes.subarray(y * width * channels, (y + 1) * width * channels), y * (width * channels + 1) + 1);
    }
    view.setUint32(0, width);
    view.setUint32(4, height);
    head.set([8, {1: 0, 3: 2, 4: 6}[channels]], 8);
    const packed = new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate")));
    const text = new TextEncoder().encode(`artgan\0\0\0\0\0${JSON.stringify(recipe)}`);
    const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
    const pixels = new Uint8Array(await packed.arrayBuffer());
    const chunks = [chunk("IHDR", head), chunk("iTXt", text), chunk("IDAT", pixels), chunk("IEND", new Uint8Array())];
    return new Blob([signature, ...chunks], {type: "image/png"});
  }

  function recipe({asked, z}) {
    const name = told.takesText ? asked.text : told.classes[asked.label] ?? null;
    return {
      kind: "sample", artgan: told.artgan, run: told.run, nimg: told.nimg,
      latents: [{name: described(asked), class: name, z: Array.from(z)}],
    };
  }

  function enlarged(picture, factor) {
    if (factor === 1) return picture;
    const large = document.createElement("canvas"), width = picture.width * factor, height = picture.height * factor;
    large.width = width;
    large.height = height;
    const paint = large.getContext("2d");
    paint.imageSmoothingEnabled = $("scaling").value === "smooth";
    paint.imageSmoothingQuality = "high";
    paint.drawImage(canvas, 0, 0, width, height);
    return {width, height, channels: 4, bytes: paint.getImageData(0, 0, width, height).data};
  }

  async function save() {
    if (!shown) return;
    const asked = shown.asked, link = document.createElement("a");
    const blob = await png(enlarged(shown, Number($("factor").value)), recipe(shown));
    const what = described(asked).replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 80);
    link.download = `${what}.png`;
    link.href = URL.createObjectURL(blob);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    say(`Saved as ${link.download}.`);
  }

  // --- controls

  function scale(kind) {
    $("scaling").value = kind;
    $("wall").classList.toggle("crisp", kind === "crisp");
  }

  const deeds = {
    ArrowLeft: () => go(spot.from - 1), ArrowRight: () => go(spot.from + 1), r: () => go(Math.floor(Math.random() * 1e6)),
    w: toggle, s: save, p: () => scale($("scaling").value === "smooth" ? "crisp" : "smooth"),
  };
  document.addEventListener("keydown", event => {
    const deed = deeds[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const typing = event.target.matches("input, select, textarea");
    if (!deed || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    deed();
  });
  $("controls").addEventListener("submit", event => event.preventDefault());
  $("previous").onclick = deeds.ArrowLeft;
  $("next").onclick = deeds.ArrowRight;
  $("random").onclick = deeds.r;
  $("walk").onclick = toggle;
  $("save").onclick = save;
  $("seed").onchange = typed;
  $("scaling").onchange = () => scale($("scaling").value);
  for (const id of ["class", "text"]) $(id)?.addEventListener("input", ask);
  $("pace").oninput = () => { $("pace-value").textContent = $("pace").value; };
  $("truncation").oninput = () => {
    const words = truncation() === null ? "off" : String(truncation());
    $("truncation-value").textContent = words;
    $("truncation").setAttribute("aria-valuetext", words);
    ask();
  };
  for (const slider of sliders) {
    slider.oninput = () => {
      slider.parentElement.querySelector(".value").textContent = slider.value;
      ask();
    };
  }
  $("reset")?.addEventListener("click", () => {
    for (const slider of sliders) {
      slider.value = 0;
      slider.parentElement.querySelector(".value").textContent = "0";
    }
    ask();
  });

  scale(Math.max(...told.size) <= 32 ? "crisp" : "smooth");
  worker.postMessage({kind: "open", model: JSON.parse($("network").textContent), weights: $("weights").textContent.trim()});
})();
