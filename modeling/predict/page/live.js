// Sends the camera and the microphone to the server twice a second or oftener, and draws what comes.
const PICTURE_MS = 200, SEND_MS = 400, STRIP_S = 10, MOST_WIDTH = 480, LATE_S = 1;

export class LiveReading {
  constructor(camera, video, overlay, strip, say) {
    Object.assign(this, { camera, video, overlay, strip, say });
    this.session = crypto.randomUUID();
    this.pictures = [];
    this.sounds = [];
    this.answers = [];  // [seconds, people]
    this.came = [];     // when answers came
    this.skipped = 0;
  }

  now() { return (performance.now() - this.began) / 1000; }

  async start() {
    this.began = performance.now();
    this.colours = await (await fetch("colours")).json();
    this.canvas = document.createElement("canvas");
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("worklet.js");
    const ear = new AudioWorkletNode(this.context, "ear", { numberOfOutputs: 0, channelCount: 1,
      channelCountMode: "explicit" });
    ear.port.onmessage = (event) => this.sounds.push(event.data);
    if (this.camera.getAudioTracks().length)
      this.context.createMediaStreamSource(this.camera).connect(ear);
    this.timers = [setInterval(() => this.look(), PICTURE_MS), setInterval(() => this.send(), 50)];
  }

  stop() {
    this.stopped = true;
    (this.timers ?? []).forEach(clearInterval);
    this.context?.close();
  }

  look() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width) return;
    if (this.pictures.length > 8) { this.skipped += 1; return; }
    const scale = Math.min(1, MOST_WIDTH / width);
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    this.canvas.getContext("2d").drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    const time = this.now();
    this.canvas.toBlob((blob) => { if (blob) this.pictures.push([time, blob]); }, "image/jpeg", 0.85);
  }

  async send() {
    if (this.busy || this.stopped || this.now() - (this.sent ?? 0) < SEND_MS / 1000) return;
    this.busy = true;
    const asked = this.sent = this.now();
    const pictures = this.pictures.splice(0), sounds = this.sounds.splice(0);
    const kept = pictures.slice(-4);  // when it falls behind, the newest count
    this.skipped += pictures.length - kept.length;
    const samples = new Int16Array(sounds.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of sounds)
      for (const value of part) samples[at++] = Math.max(-1, Math.min(1, value)) * 32767;
    const head = JSON.stringify({ session: this.session, rate_hz: this.context.sampleRate,
      pictures: kept.map(([time, blob]) => [time, blob.size]),
      sound: samples.byteLength, sound_s: asked });
    try {
      const response = await fetch("live", { method: "POST",
        body: new Blob([head, "\n", ...kept.map(([, blob]) => blob), samples]) });
      const answer = await response.json();
      if (!response.ok) { this.say.fail(answer.reason); return; }
      if (!this.stopped) this.show(answer, asked);
    } catch {
      this.say.fail("The server cannot be reached. Does it still run?");
    } finally {
      this.busy = false;
    }
  }

  show(answer, asked) {
    const now = this.now();
    this.came = [...this.came.filter((time) => now - time < 4), now];
    this.answers = [...this.answers.filter(([time]) => now - time < STRIP_S + 1), [now, answer.people]];
    const rate = this.came.length > 1 ? (this.came.length - 1) / (now - this.came[0]) : 0;
    const behind = now - asked;
    const late = behind > LATE_S || (now > 4 && rate < 2)
      ? ` Falling behind: answers are ${behind.toFixed(1)} s old, ${this.skipped} pictures were left out.`
      : "";
    this.say.pace((rate ? `${rate.toFixed(1)} answers a second.` : "") + late);
    const read = answer.people.filter((person) => person.emotion);
    this.say.tell(read.map((p) => `${this.name(p)}: ${p.emotion}`).join(", ") || "Nothing to read.");
    this.drawBoxes(answer.people);
    this.drawStrip(now);
  }

  name(person) { return person.person ? `person ${person.person}` : "a voice"; }

  drawBoxes(people) {
    const canvas = this.overlay, width = canvas.width = canvas.clientWidth;
    const height = canvas.height = canvas.clientHeight;
    // the video keeps its shape within its box
    const scale = Math.min(width / this.video.videoWidth, height / this.video.videoHeight);
    const wide = this.video.videoWidth * scale, high = this.video.videoHeight * scale;
    const left = (width - wide) / 2, top = (height - high) / 2, pen = canvas.getContext("2d");
    pen.font = "600 16px system-ui, sans-serif";
    for (const person of people) {
      if (!person.box) continue;
      const [x, y, w, h] = person.box;
      const [back, ink] = this.colours[person.emotion || "unsure"];
      pen.strokeStyle = back;
      pen.lineWidth = 3;
      pen.strokeRect(left + x * wide, top + y * high, w * wide, h * high);
      const sure = person.confidence && person.emotion !== "unsure"
        ? ` ${Math.round(100 * person.confidence)}%` : "";
      const text = `${person.person} ${person.emotion}${sure}`;
      const above = Math.max(top + y * high - 24, 0);
      pen.fillStyle = back;
      pen.fillRect(left + x * wide - 1.5, above, pen.measureText(text).width + 10, 24);
      pen.fillStyle = ink;
      pen.fillText(text, left + x * wide + 4, above + 17);
    }
  }

  drawStrip(now) {
    const canvas = this.strip, width = canvas.width = canvas.clientWidth, high = 26;
    const numbers = [...new Set(this.answers.flatMap(([, people]) =>
      people.filter((p) => p.emotion).map((p) => p.person)))].sort((a, b) => (a || 99) - (b || 99));
    const shown = numbers.slice(-4);
    canvas.height = Math.max(shown.length, 1) * (high + 4);
    canvas.style.height = `${canvas.height}px`;
    const pen = canvas.getContext("2d");
    pen.font = "13px system-ui, sans-serif";
    shown.forEach((number, row) => {
      let named = null;
      this.answers.forEach(([time, people], k) => {
        const person = people.find((p) => p.person === number);
        if (!person || !person.emotion) { named = null; return; }
        const next = this.answers[k + 1]?.[0] ?? now + 0.3;
        const x = width * (1 - (now - time) / STRIP_S), wide = width * (next - time) / STRIP_S + 1;
        pen.fillStyle = this.colours[person.emotion][0];
        pen.fillRect(x, row * (high + 4), wide, high);
        named = person.emotion;
      });
      pen.fillStyle = named ? this.colours[named][1] : "#22303f";
      const text = this.name({ person: number }) + (named ? `: ${named}` : "");
      pen.textAlign = "right";
      if (named) pen.fillText(text, width - 6, row * (high + 4) + high / 2 + 4);
    });
  }
}
