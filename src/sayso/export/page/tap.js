// Runs in the browser's audio thread: passes the microphone's sound on, in pieces of some hundredths of a second.
registerProcessor("tap", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(128 * Math.ceil(sampleRate / 40 / 128));
    this.held = 0;
    // The other end is in the worker; nothing here passes through the thread that draws the page.
    this.port.onmessage = ({data}) => { this.sink = data; };
  }

  process([[samples]]) {
    if (!samples || !this.sink) return true;
    for (const sample of samples) {
      this.piece[this.held++] = sample;
      if (this.held === this.piece.length) {
        this.sink.postMessage(this.piece);
        this.held = 0;
      }
    }
    return true;
  }
});
