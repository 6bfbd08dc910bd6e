// Voices and faces become numbers, and numbers answers: what taken/sound.py and faces.py do, and the
// networks in onnxruntime-web. Nothing here knows the page.
import * as ort from "./ort/ort.wasm.min.mjs";

const RATE_HZ = 16000, CHUNK = 512, PAD = 3200, RANGE = 10 ** -3.5, MOST = 48000, LEAST = 895;
const SIDE = 48, INPUT = 300, MEANS = [104, 177, 123], FLOOR = 1e-7;

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL("ort/", import.meta.url).href;

let networks = {};
export let facts = null;

export async function load() {
  facts = await (await fetch("facts.json")).json();
  for (const name of ["voice", "face", "expression", "detector"]) {
    if (!facts.networks.includes(name)) continue;
    networks[name] = await ort.InferenceSession.create(`${name}.onnx`, { executionProviders: ["wasm"] });
  }
}

export function canFind() { return Boolean(networks.detector); }

async function ask(name, values, shape) {
  const session = networks[name];
  const found = await session.run({ [session.inputNames[0]]: new ort.Tensor("float32", values, shape) });
  return session.outputNames.map((each) => found[each].data);
}

// --- voices ---

export async function decode(bytes) {
  const sound = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(bytes);
  return mix(Array.from({ length: sound.numberOfChannels }, (_, n) => sound.getChannelData(n)));
}

function mix(channels) {
  const mono = new Float32Array(channels[0].length);
  for (let at = 0; at < mono.length; at++) {
    let sum = 0;
    for (const channel of channels) sum += channel[at];
    mono[at] = sum / channels.length;
  }
  return mono;
}

export async function changeRate(samples, rate_hz) {
  if (rate_hz === RATE_HZ) return samples;
  const context = new OfflineAudioContext(1, Math.round(samples.length * RATE_HZ / rate_hz), RATE_HZ);
  const buffer = new AudioBuffer({ length: samples.length, sampleRate: rate_hz });
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
}

function cutSilence(samples) {
  const levels = [];
  for (let start = 0; start + CHUNK <= samples.length; start += CHUNK) {
    let sum = 0;
    for (let at = start; at < start + CHUNK; at++) sum += samples[at] * samples[at];
    levels.push(sum / CHUNK);
  }
  const least = Math.max(0, ...levels) * RANGE;
  const first = levels.findIndex((level) => level >= least);
  if (!least) return samples;
  const last = levels.findLastIndex((level) => level >= least);
  return samples.subarray(Math.max(first * CHUNK - PAD, 0), (last + 1) * CHUNK + PAD);
}

export async function hear(samples) {
  let heard = cutSilence(samples);
  const start = Math.floor(Math.max(heard.length - MOST, 0) / 2);
  heard = heard.subarray(start, start + MOST);
  let low = Infinity, high = -Infinity;
  for (const value of heard) { low = Math.min(low, value); high = Math.max(high, value); }
  if (!(high - low >= 0.002)) return null;  // silence: nobody is heard
  const whole = new Float32Array(Math.max(heard.length, LEAST));
  whole.set(heard);
  return (await ask("voice", whole, [1, whole.length]))[0];
}

// --- faces ---

// The surest face of a picture (ImageData), a square {x, y, side} in pixels; null where there is none.
export async function findFace(picture) {
  if (!canFind()) return null;
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").putImageData(picture, 0, 0);
  const small = new OffscreenCanvas(INPUT, INPUT), pen = small.getContext("2d");
  pen.drawImage(canvas, 0, 0, INPUT, INPUT);
  const pixels = pen.getImageData(0, 0, INPUT, INPUT).data, n = INPUT * INPUT;
  const values = new Float32Array(3 * n);
  for (let at = 0; at < n; at++)
    for (let channel = 0; channel < 3; channel++)  // blue, green, red
      values[channel * n + at] = pixels[4 * at + 2 - channel] - MEANS[channel];
  const [boxes, sure] = await ask("detector", values, [1, 3, INPUT, INPUT]);
  let best = 0;
  for (let at = 1; at < sure.length; at++) if (sure[at] > sure[best]) best = at;
  if (sure[best] < 0.5) return null;
  const [left, top, right, bottom] = boxes.slice(4 * best, 4 * best + 4);
  const wide = (right - left) * picture.width, high = (bottom - top) * picture.height;
  const side = Math.max(wide, high);
  return { x: (left + right) / 2 * picture.width - side / 2,
    y: (top + bottom) / 2 * picture.height - side / 2, side };
}

// Weights that bring rows of pixels to another number, by triangles: faces.py, smooth.
function smooth(given, wanted) {
  const scale = given / wanted, rows = [];
  for (let row = 0; row < wanted; row++) {
    const centre = (row + 0.5) * scale, weights = new Float64Array(given);
    let sum = 0;
    for (let at = 0; at < given; at++) {
      weights[at] = Math.max(1 - Math.abs(at + 0.5 - centre) / Math.max(scale, 1), 0);
      sum += weights[at];
    }
    rows.push(weights.map((weight) => weight / sum));
  }
  return rows;
}

// The square of a picture in grey, 48 x 48; beyond the picture its edge stands again.
export function cutFace(picture, square) {
  const left = Math.round(square.x), top = Math.round(square.y);
  const side = Math.max(Math.round(square.side), 1), { data, width, height } = picture;
  const grey = new Float64Array(side * side);
  for (let row = 0; row < side; row++) {
    const y = Math.min(Math.max(top + row, 0), height - 1);
    for (let column = 0; column < side; column++) {
      const x = Math.min(Math.max(left + column, 0), width - 1), at = 4 * (y * width + x);
      grey[row * side + column] = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    }
  }
  const weights = smooth(side, SIDE), lines = new Float64Array(SIDE * side);
  const face = new Float32Array(SIDE * SIDE);
  for (let row = 0; row < SIDE; row++)
    for (let from = 0; from < side; from++)
      if (weights[row][from])
        for (let column = 0; column < side; column++)
          lines[row * side + column] += weights[row][from] * grey[from * side + column];
  for (let row = 0; row < SIDE; row++)
    for (let column = 0; column < SIDE; column++) {
      let sum = 0;
      for (let from = 0; from < side; from++) sum += weights[column][from] * lines[row * side + from];
      face[row * SIDE + column] = sum;
    }
  return face;
}

// What the expression network sees in one face.
export async function look(face) { return (await ask("expression", face, [1, SIDE, SIDE, 1]))[0]; }

// What a face shows, of the expressions of its pictures.
export async function judge(expressions) {
  const values = Float32Array.from(expressions.flatMap((own) => [...own]));
  return (await ask("face", values, [1, expressions.length, expressions[0].length]))[0];
}

// --- both ---

export function fuse(voice, face) {
  const logs = new Float64Array(facts.emotions.length);
  for (const [name, own] of [["voice", voice], ["face", face]])
    own?.forEach((p, at) => { logs[at] += Math.log(Math.max(p, FLOOR)) / facts.temperatures[name]; });
  const most = Math.max(...logs), shares = [...logs].map((value) => Math.exp(value - most));
  const sum = shares.reduce((a, b) => a + b);
  return shares.map((share) => share / sum);
}
