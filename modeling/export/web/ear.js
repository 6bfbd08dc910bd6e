// Hands on what the microphone hears, mono, in blocks.
class Ear extends AudioWorkletProcessor {
  process(inputs) {
    if (inputs[0].length) this.port.postMessage(inputs[0][0].slice());
    return true;
  }
}
registerProcessor("ear", Ear);
