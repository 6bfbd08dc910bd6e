// The page: takes a recording, a picture or the camera, and shows the answer.
import * as reading from "./reading.js";

const LENGTH_MS = 3000, PICTURE_MS = 250, MOST_WIDTH = 960;
const $ = (id) => document.getElementById(id);
const BUTTONS = ["recording", "picture", "listen", "look"];
let picture = null, square = null, turn = 0;

start();

async function start() {
  try {
    await reading.load();
  } catch (error) {
    return explain(`The networks cannot be loaded: ${error.message}`);
  }
  on("recording", "change", async () => {
    const file = $("recording").files[0];
    if (file) show({ voice: await reading.hear(await reading.decode(await file.arrayBuffer())) });
  });
  on("picture", "change", async () => { if ($("picture").files[0]) await open($("picture").files[0]); });
  on("listen", "click", () => record(false));
  on("look", "click", () => record(true));
  $("side").addEventListener("input", () => resize(Number($("side").value) * shorter()));
  $("shown").addEventListener("pointerdown", drag);
  $("shown").addEventListener("pointermove", drag);
  $("shown").addEventListener("keydown", moveByKey);
  lock(false);
  $("note").textContent = "Ready: everything runs in this page.";
}

function on(id, event, act) {
  $(id).addEventListener(event, async () => {
    explain("");
    lock(true);
    try {
      await act();
    } catch (error) {
      explain(error.message || String(error));
    } finally {
      lock(false);
      if ($(id).type === "file") $(id).value = "";
    }
  });
}

function explain(text) { $("problem").textContent = text; }

function lock(isBusy) { for (const id of BUTTONS) $(id).disabled = isBusy; }

// --- a picture ---

async function open(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, MOST_WIDTH / bitmap.width), canvas = $("shown");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  picture = pen.getImageData(0, 0, canvas.width, canvas.height);
  const found = await reading.findFace(picture);
  const side = 0.5 * shorter();
  square = found ?? { x: (canvas.width - side) / 2, y: (canvas.height - side) / 2, side };
  $("found").textContent = found
    ? "The square is what is read: from brow to chin. Move it where it is wrong."
    : "No face is found: move the square to the face, from brow to chin.";
  $("face").hidden = false;
  await readPicture();
}

function shorter() { return Math.min(picture.width, picture.height); }

async function readPicture() {
  const own = ++turn, pen = $("shown").getContext("2d");
  pen.putImageData(picture, 0, 0);
  pen.lineWidth = 3;
  pen.strokeStyle = "#ffc506";
  pen.strokeRect(square.x, square.y, square.side, square.side);
  $("shown").dataset.square = JSON.stringify(square);
  $("side").value = square.side / shorter();
  const seen = await reading.look(reading.cutFace(picture, square));
  const face = await reading.judge([seen]);
  if (own === turn) show({ face }, "still picture: expression alone");
}

function resize(side) {
  if (!picture) return;
  side = Math.min(Math.max(side, 0.05 * shorter()), shorter());
  square = { x: square.x + (square.side - side) / 2, y: square.y + (square.side - side) / 2, side };
  readPicture();
}

function drag(event) {
  if (!picture || !event.buttons) return;
  const box = $("shown").getBoundingClientRect(), scale = picture.width / box.width;
  square.x = (event.clientX - box.left) * scale - square.side / 2;
  square.y = (event.clientY - box.top) * scale - square.side / 2;
  readPicture();
}

function moveByKey(event) {
  const step = 0.02 * shorter(), moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1],
    ArrowDown: [0, 1] };
  if (event.key === "+" || event.key === "-") resize(square.side * (event.key === "+" ? 1.05 : 0.95));
  else if (event.key in moves) {
    square.x += step * moves[event.key][0];
    square.y += step * moves[event.key][1];
    readPicture();
  } else return;
  event.preventDefault();
}

// --- camera and microphone ---

async function record(withCamera) {
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio, video: withCamera });
  const sounds = [], expressions = [], context = new AudioContext();
  let isOver = false;
  try {
    await context.audioWorklet.addModule("ear.js");
    const ear = new AudioWorkletNode(context, "ear", { numberOfOutputs: 0, channelCount: 1,
      channelCountMode: "explicit" });
    ear.port.onmessage = (event) => sounds.push(event.data);
    context.createMediaStreamSource(stream).connect(ear);
    $("note").textContent = "Recording …";
    const watching = withCamera ? watch(stream, expressions, () => isOver) : null;
    await new Promise((resolve) => setTimeout(resolve, LENGTH_MS));
    isOver = true;
    await watching;
  } finally {
    isOver = true;
    stream.getTracks().forEach((track) => track.stop());
    context.close();
    $("camera").hidden = true;
    $("note").textContent = "Ready: everything runs in this page.";
  }
  const samples = new Float32Array(sounds.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of sounds) { samples.set(part, at); at += part.length; }
  const voice = samples.length ? await reading.hear(await reading.changeRate(samples, context.sampleRate)) : null;
  show({ voice, face: expressions.length ? await reading.judge(expressions) : null });
}

async function watch(stream, expressions, isOver) {
  const video = $("preview"), canvas = document.createElement("canvas");
  $("camera").hidden = $("face").hidden = false;
  $("face").hidden = true;
  video.srcObject = stream;
  await video.play();
  while (!isOver()) {
    const started = performance.now();
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(video, 0, 0);
    const seen = pen.getImageData(0, 0, canvas.width, canvas.height);
    const found = await reading.findFace(seen);
    if (found) expressions.push(await reading.look(reading.cutFace(seen, found)));
    const left = PICTURE_MS - (performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, Math.max(left, 0)));
  }
  video.srcObject = null;
}

// --- the answer ---

function show({ voice = null, face = null }, remark = "") {
  if (!face || voice) $("face").hidden = true;
  $("answer").hidden = false;
  if (!voice && !face) {
    $("said").textContent = "Nothing to read: no voice and no face.";
    $("shares").hidden = true;
    return;
  }
  const last = reading.fuse(voice, face);  // calibrated, so of one side too
  const there = Object.entries({ voice, face, answer: last }).filter(([, own]) => own);
  const sure = Math.max(...last);
  const name = reading.facts.emotions[last.indexOf(sure)];
  const unsure = sure < reading.facts.unsure_below;
  $("said").textContent = (unsure ? `unsure (most likely ${name}, ` : `${name} (`) +
    `${Math.round(100 * sure)}%)` + (remark ? ` · ${remark}` : "");
  const head = document.createElement("tr");
  head.append(cell("th", ""), ...there.map(([side]) => cell("th", side)));
  const rows = reading.facts.emotions.map((emotion, at) => {
    const row = document.createElement("tr");
    row.append(cell("th", emotion), ...there.map(([side, own]) => {
      const share = cell("td", `${(100 * own[at]).toFixed(1)}%`);
      share.dataset.side = side;
      share.dataset.value = own[at];
      if (own[at] === Math.max(...own)) share.className = "most";
      return share;
    }));
    return row;
  });
  $("shares").tHead.replaceChildren(head);
  $("shares").tBodies[0].replaceChildren(...rows);
  $("shares").hidden = false;
  if (document.activeElement !== $("shown") && document.activeElement !== $("side"))
    $("answer-title").focus();
}

function cell(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
