// Runs in a worker, behind the library: recognises the sound of the microphone, or of a file.

// Seconds of a file that are recognised between two reports of progress.
const PORTION = 5;
let recognizer, stream, port;
// How busy the microphone keeps this worker: 1 is all of the time.
let load = 0, cost = 0;

onmessage = async ({data}) => {
  if (data.model) {
    recognizer = new Recognizer(JSON.parse(data.model));
    const {labels, sampleRate} = recognizer;
    postMessage({labels, sampleRate, difference: recognizer.check()});
  }
  if (data.port) listen(data);
  if (data.stop) port?.close();
  if (data.sound) await read(data);
  if (data.sensitivity !== undefined && stream) stream.sensitivity = data.sensitivity;
};

function listen({port: other, sampleRate, sensitivity}) {
  port?.close();
  stream = recognizer.stream({sampleRate, sensitivity});
  load = 0;
  port = other;
  port.onmessage = ({data: samples}) => {
    const start = performance.now(), steps = stream.push(samples), took = performance.now() - start;
    load += (took * sampleRate / 1000 / samples.length - load) / 50;
    if (steps.length) cost += (took - cost) / (cost ? 20 : 1);
    const scores = steps.at(-1)?.probabilities, detections = steps.map(step => step.detection).filter(Boolean);
    postMessage({...level(samples), scores, detections, load, cost});
  };
}

/** The loudness of some samples in decibels relative to full scale, without their offset, and their largest magnitude. */
function level(samples) {
  let sum = 0, squares = 0, peak = 0;
  for (const sample of samples) {
    sum += sample;
    squares += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  const power = squares / samples.length - (sum / samples.length) ** 2;
  return {decibels: 10 * Math.log10(Math.max(power, 1e-12)), peak};
}

async function read({sound, sensitivity}) {
  const stream = recognizer.stream({sensitivity}), portion = PORTION * recognizer.sampleRate;
  const found = [];
  const collect = steps => found.push(...steps.map(step => step.detection).filter(Boolean));
  for (let start = 0; start < sound.length; start += portion) {
    collect(stream.push(sound.subarray(start, start + portion)));
    postMessage({done: Math.min((start + portion) / sound.length, 1)});
  }
  collect(stream.close());
  postMessage({found});
}
