// Gives a clip to the server, tells how far it is, and draws the answer.
import { LiveReading } from "./live.js";

const POLL_MS = 300;
const MOST_RECORDED_S = 60;
const LANES = [["voice", 22], ["face", 22], ["answer", 34]];
const GAP = 4, HEAD = 22, AXIS = 24;
const $ = (id) => document.getElementById(id);

let allowed = { n_bytes: Infinity, length_s: Infinity };
let answer = null, key = null, turn = 0, camera = null, recorder = null, live = null;

start();

async function start() {
  const response = await fetch("limits");
  allowed = await response.json();
  $("limits").textContent = `Up to ${Math.round(allowed.n_bytes / 1e6)} MB and ` +
    `${Math.round(allowed.length_s / 60)} minutes. It is deleted once it is read; the answer ` +
    "after half an hour, or when you say so.";
  $("file").addEventListener("change", () => { if ($("file").files[0]) give($("file").files[0]); });
  const drop = $("drop");
  for (const name of ["dragover", "dragenter"]) drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) give(event.dataTransfer.files[0]);
  });
  $("record").addEventListener("click", record);
  $("live").addEventListener("click", readLive);
  $("stop").addEventListener("click", () => stopCamera());
  $("forget").addEventListener("click", forget);
  $("lanes").addEventListener("pointerdown", seekTo);
  $("lanes").addEventListener("pointermove", (event) => { if (event.buttons) seekTo(event); });
  $("lanes").addEventListener("keydown", seekByKey);
  for (const name of ["seeked", "pause", "loadedmetadata"])
    $("film").addEventListener(name, () => { showCursor(); tellNow(); });
  window.addEventListener("resize", () => { if (answer) { drawLanes(); showCursor(); } });
  follow();
}

function explain(text) { $("problem").textContent = text; }

function lock(isBusy) {
  for (const id of ["file", "record", "live"]) $(id).disabled = isBusy;
}

// --- a clip ---

async function give(file, name = file.name) {
  const own = ++turn;
  stopCamera();
  explain("");
  $("answer").hidden = true;
  $("film").removeAttribute("src");
  if (file.size > allowed.n_bytes) {
    explain(`This file has ${Math.round(file.size / 1e6)} MB; the page takes ` +
      `${Math.round(allowed.n_bytes / 1e6)} MB at most.`);
    return;
  }
  $("work").hidden = false;
  lock(true);
  try {
    const job = await send(file, name);
    await wait(job.key);
    if (own === turn) await show(job.key);
  } catch (error) {
    if (own === turn) explain(error.message);
  } finally {
    if (own === turn) { $("work").hidden = true; lock(false); $("file").value = ""; }
  }
}

function send(file, name) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();  // fetch does not tell how far an upload is
    request.open("POST", `clips?name=${encodeURIComponent(name)}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => note("Sending", event.loaded / event.total);
    request.onload = () => {
      if (request.status === 202) resolve(request.response);
      else reject(new Error(request.response?.reason ?? `The server answers ${request.status}.`));
    };
    request.onerror = () => reject(new Error("The server cannot be reached. Does it still run?"));
    note("Sending", 0);
    request.send(file);
  });
}

async function wait(own) {
  for (;;) {
    const response = await fetch(`clips/${own}`);
    const job = await response.json();
    if (job.state === "done") return;
    if (job.state === "failed" || !response.ok) throw new Error(job.reason);
    if (job.state === "waiting") note(`Waiting; ${job.ahead} before this one`, null);
    else if (job.step === "drawing") note("Drawing", null);
    else note("Reading", job.of_s ? Math.min(job.now_s / job.of_s, 1) : null);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function note(text, share) {
  const tenth = share === null ? "…" : ` ${Math.floor(share * 10) * 10}%`;
  if ($("note").textContent !== text + tenth) $("note").textContent = text + tenth;
  if (share === null) $("bar").removeAttribute("value"); else $("bar").value = share;
}

// --- the answer ---

async function show(own) {
  const response = await fetch(`clips/${own}/answer.json`);
  answer = await response.json();
  key = own;
  $("film").hidden = $("mp4").hidden = !answer.video;
  if (answer.video) $("film").src = `clips/${own}/answer.mp4`;
  $("csv").href = `clips/${own}/answer.csv?download`;
  $("mp4").href = `clips/${own}/answer.mp4?download`;
  $("statement").textContent = answer.statement;
  $("remarks").replaceChildren(...answer.problems.map((text) => make("li", text)));
  if (answer.video && !answer.sound.startsWith("copied") && answer.sound !== "none")
    $("remarks").append(make("li", `sound ${answer.sound}`));
  fillLegend();
  fillShares();
  $("answer").hidden = false;
  drawLanes();
  showCursor();
  tellNow();
  $("answer-title").focus();
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function listNames() { return [...answer.emotions, "unsure"]; }

function fillLegend() {
  $("legend").replaceChildren(...listNames().map((name) => {
    const item = make("li", ""), patch = document.createElement("canvas");
    patch.width = patch.height = 16;
    const pen = patch.getContext("2d");
    pen.fillStyle = answer.colours[name][0];
    pen.fillRect(0, 0, 16, 16);
    item.append(patch, name);
    return item;
  }));
}

function fillShares() {
  const names = listNames().filter((name) => answer.people.some((p) => p.shares[name] >= 0.005));
  const head = document.createElement("tr");
  for (const name of ["", "seconds", ...names]) {
    const cell = make("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  const rows = answer.people.map((person) => {
    const row = document.createElement("tr"), first = make("th", person.name);
    first.scope = "row";
    row.append(first, make("td", person.read_s.toFixed(1)));
    for (const name of names)
      row.append(make("td", person.shares[name] ? `${Math.round(100 * person.shares[name])}%` : ""));
    return row;
  });
  $("shares").tHead.replaceChildren(head);
  $("shares").tBodies[0].replaceChildren(...rows);
  $("shares").hidden = !rows.length;
  if (!rows.length) $("remarks").prepend(make("li", "Nothing to read: no face and no voice."));
}

function drawLanes() {
  const canvas = $("lanes"), width = canvas.clientWidth || 300, ratio = devicePixelRatio || 1;
  const row = HEAD + LANES.reduce((sum, [, height]) => sum + height + GAP, 0);
  const height = row * Math.max(answer.people.length, 1) + AXIS;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.textBaseline = "middle";
  canvas.setAttribute("aria-valuemax", answer.duration_s.toFixed(1));
  answer.people.forEach((person, number) => {
    let top = number * row;
    pen.font = "600 13px system-ui, sans-serif";
    pen.fillStyle = "#22303f";
    pen.fillText(`${person.name}: voice, face, answer`, 2, top + HEAD / 2 + 1);
    top += HEAD;
    for (const [lane, size] of LANES) {
      pen.fillStyle = "#f4f6f8";
      pen.fillRect(0, top, width, size);
      if (lane === "answer") drawAnswers(pen, person.spans, width, top, size);
      else drawShares(pen, person.spans, lane, width, top, size);
      top += size + GAP;
    }
  });
  drawAxis(pen, width, height);
}

function place(seconds, width) { return seconds / answer.duration_s * width; }

function drawShares(pen, spans, lane, width, top, size) {
  for (const span of spans) {
    if (!span[lane]) continue;
    const x = place(span.from, width), wide = Math.max(place(span.to, width) - x, 0.5) + 0.3;
    let y = top;
    span[lane].forEach((share, k) => {
      pen.fillStyle = answer.colours[answer.emotions[k]][0];
      pen.fillRect(x, y, wide, share * size + 0.3);
      y += share * size;
    });
    pen.clearRect(x, top + size, wide, 1);
  }
}

function drawAnswers(pen, spans, width, top, size) {
  const runs = [];
  for (const span of spans) {
    const last = runs.at(-1);
    if (last && last.emotion === span.emotion && span.from - last.to < 1e-6) last.to = span.to;
    else runs.push({ ...span });
  }
  pen.font = "13px system-ui, sans-serif";
  for (const run of runs) {
    if (!run.emotion) continue;
    const x = place(run.from, width), wide = Math.max(place(run.to, width) - x, 0.5);
    pen.fillStyle = answer.colours[run.emotion][0];
    pen.fillRect(x, top, wide + 0.3, size);
    pen.fillStyle = answer.colours[run.emotion][1];
    if (pen.measureText(run.emotion).width + 8 < wide) pen.fillText(run.emotion, x + 4, top + size / 2);
  }
}

function drawAxis(pen, width, height) {
  const steps = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900];
  const step = steps.find((s) => place(s, width) >= 60) ?? 1800;
  pen.font = "12px system-ui, sans-serif";
  pen.fillStyle = "#22303f";
  for (let t = 0; t <= answer.duration_s + 1e-6; t += step) {
    const text = tellTime(t), x = place(t, width), half = pen.measureText(text).width / 2;
    pen.fillRect(Math.min(x, width - 1), height - AXIS, 1, 5);
    pen.fillText(text, Math.min(Math.max(x - half, 0), width - 2 * half), height - AXIS / 2 + 3);
  }
}

function tellTime(seconds) {
  const tenths = seconds % 1 ? `.${Math.round(seconds % 1 * 10)}` : "";
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}${tenths}`;
}

let seconds = 0;  // where the cursor stands, on the timeline's clock

function showCursor() {
  if (!answer) return;
  if (answer.video) seconds = $("film").currentTime;
  seconds = Math.min(Math.max(seconds, 0), answer.duration_s);
  $("cursor").style.left = `${100 * seconds / answer.duration_s}%`;
}

function follow() {
  if (answer && !$("film").paused) { showCursor(); tellNow(true); }
  requestAnimationFrame(follow);
}

function describeNow() {
  const told = answer.people.map((person) => {
    const span = person.spans.find((s) => s.from <= seconds && seconds < s.to);
    if (!span || !span.emotion) return null;
    const sure = span.emotion === "unsure" || span.confidence === null
      ? "" : ` ${Math.round(100 * span.confidence)}%`;
    return `${person.name}: ${span.emotion}${sure}`;
  }).filter(Boolean);
  return `${tellTime(Math.floor(seconds * 2) / 2)} · ${told.join(", ") || "nothing to read"}`;
}

function tellNow(isPlaying = false) {
  if (!answer) return;
  const text = describeNow();
  if ($("now").textContent !== text) $("now").textContent = text;
  if (isPlaying) return;  // a screen reader would speak over the film
  $("lanes").setAttribute("aria-valuenow", seconds.toFixed(1));
  $("lanes").setAttribute("aria-valuetext", text);
}

function seek(to) {
  seconds = Math.min(Math.max(to, 0), answer.duration_s);
  if (answer.video) $("film").currentTime = seconds;
  $("cursor").style.left = `${100 * seconds / answer.duration_s}%`;
  tellNow();
}

function seekTo(event) {
  const box = $("lanes").getBoundingClientRect();
  seek((event.clientX - box.left) / box.width * answer.duration_s);
}

function seekByKey(event) {
  const steps = { ArrowLeft: -0.5, ArrowRight: 0.5, ArrowDown: -0.5, ArrowUp: 0.5, PageDown: -10,
    PageUp: 10, Home: -Infinity, End: Infinity };
  if (event.key === " " && answer.video) $("film").paused ? $("film").play() : $("film").pause();
  else if (event.key in steps) seek(seconds + steps[event.key]);
  else return;
  event.preventDefault();
}

async function forget() {
  await fetch(`clips/${key}`, { method: "DELETE" });
  $("film").removeAttribute("src");
  $("film").load();
  answer = key = null;
  $("answer").hidden = true;
  $("file").focus();
}

// --- the camera ---

async function openCamera(title) {
  stopCamera();
  explain("");
  turn += 1;
  const picture = { width: { ideal: 640 }, height: { ideal: 480 } };
  let refusal = null;
  for (const wanted of [{ video: picture, audio: true }, { video: picture }, { audio: true }]) {
    try {
      camera = await navigator.mediaDevices.getUserMedia(wanted);
      break;
    } catch (error) {  // where one is missing, the other is read alone
      refusal = error;
      if (error.name !== "NotFoundError") break;
    }
  }
  if (!camera) {
    explain(`The browser gives no camera and no microphone (${refusal.message}).`);
    return false;
  }
  $("camera-title").textContent = title;
  $("camera").hidden = false;
  $("preview").srcObject = camera;
  await $("preview").play();
  $("stop").focus();
  return true;
}

function stopCamera() {
  if (recorder?.state === "recording") { recorder.stop(); return; }
  live?.stop();
  live = null;
  $("live").setAttribute("aria-pressed", "false");
  camera?.getTracks().forEach((track) => track.stop());
  camera = null;
  $("preview").srcObject = null;
  $("camera").hidden = true;
  lock(false);
}

async function record() {
  if (!await openCamera("Recording")) return;
  lock(true);
  $("live-strip").hidden = $("overlay").hidden = true;
  $("pace").textContent = "";
  const parts = [];
  recorder = new MediaRecorder(camera);
  recorder.ondataavailable = (event) => parts.push(event.data);
  const began = performance.now();
  const clock = setInterval(() => {
    const passed = Math.floor((performance.now() - began) / 1000);
    $("pace").textContent = `${passed} s`;
    if (passed >= MOST_RECORDED_S) recorder.stop();
  }, 250);
  recorder.onstop = () => {
    clearInterval(clock);
    const kind = recorder.mimeType.includes("mp4") ? "mp4" : "webm";
    recorder = null;
    stopCamera();
    give(new Blob(parts), `recording.${kind}`);
  };
  recorder.start();
  $("camera-note").textContent = `Recording, ${MOST_RECORDED_S} seconds at most.`;
  $("stop").textContent = "Stop and read it";
}

async function readLive() {
  if (live) { stopCamera(); return; }
  if (!await openCamera("Live")) return;
  $("record").disabled = $("file").disabled = true;
  $("live").setAttribute("aria-pressed", "true");
  $("live-strip").hidden = $("overlay").hidden = false;
  $("camera-note").textContent = "The first answer takes a second.";
  $("stop").textContent = "Stop";
  live = new LiveReading(camera, $("preview"), $("overlay"), $("live-strip"), {
    tell: (text) => { if ($("camera-note").textContent !== text) $("camera-note").textContent = text; },
    pace: (text) => { $("pace").textContent = text; },
    fail: (text) => { stopCamera(); explain(text); },
  });
  await live.start();
}
