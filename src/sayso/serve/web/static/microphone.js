// The microphone of the browser: blocks of samples as they come, and recordings of some seconds.

const WHY = {
  NotAllowedError: "The browser does not let this page use the microphone. Allow it beside the address of the page, and try again.",
  NotFoundError: "There is no microphone. Connect one, and try again.",
  NotReadableError: "The microphone cannot be opened. Does another program use it?",
};
export const INSECURE =
  "Browsers give a page the microphone only if it comes by https or from localhost. On the machine where sayso runs, " +
  "open the page as localhost; elsewhere, start sayso serve web with --certificate and --key, or use a tunnel " +
  "(ssh -L, adb reverse), which leads to localhost.";

export class Microphone {
  // onblock is called with an Int16Array for each block; onend when the microphone is lost.
  constructor(onblock, onend) {
    this.onblock = onblock;
    this.onend = onend;
    this.context = null;
    this.recording = null;
  }

  get on() {
    return this.context !== null;
  }

  get rate() {
    return this.context.sampleRate;
  }

  // Ask for the microphone; throws an Error with a sentence for people.
  async start() {
    if (!navigator.mediaDevices) throw new Error(INSECURE);
    // What improves calls distorts words.
    const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new Error(WHY[error.name] ?? `The microphone cannot be used: ${error.message}`);
    }
    const context = new AudioContext();
    await context.audioWorklet.addModule("worklet.js");
    const blocks = new AudioWorkletNode(context, "blocks", { channelCount: 1, channelCountMode: "explicit" });
    blocks.port.onmessage = ({ data }) => this.take(data);
    // Without a way to the loudspeaker, some browsers process nothing; what goes there is silence.
    context.createMediaStreamSource(this.stream).connect(blocks).connect(context.destination);
    this.stream.getTracks()[0].onended = () => this.stop().then(this.onend);
    this.context = context;
    await context.resume();
  }

  async stop() {
    const context = this.context;
    this.context = null;
    this.stream?.getTracks().forEach(track => track.stop());
    this.recording?.reject(new Error("The microphone was turned off."));
    this.recording = null;
    await context?.close();
  }

  // Return the next seconds of sound, as an Int16Array.
  record(seconds) {
    return new Promise((resolve, reject) => {
      this.recording = { samples: new Int16Array(Math.round(seconds * this.rate)), filled: 0, resolve, reject };
    });
  }

  take(block) {
    if (!this.on) return;
    this.onblock(block);
    const recording = this.recording;
    if (!recording) return;
    const part = block.subarray(0, recording.samples.length - recording.filled);
    recording.samples.set(part, recording.filled);
    recording.filled += part.length;
    if (recording.filled === recording.samples.length) {
      this.recording = null;
      recording.resolve(recording.samples);
    }
  }
}
