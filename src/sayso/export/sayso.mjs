// Recognises spoken words in a browser or in Node, with a model that `sayso export` has written as JSON.
// It has no dependencies and fetches nothing.

const FORMAT = 1;

// The decision; the comments in sayso/recognition/decision.py explain these.
const LARGEST = 8;
const STEPS = 4, EASE_NEWEST = 3.25, STEPS_AGAIN = 2, EASE_AGAIN = 4;
const COMPANY = 1.5, PAUSE = 0.1, BEFORE = [0.5, 1.2], AFTER = 0.6;
// The newest part of a window is scored on its own only where the words have this much probability in the whole.
const LEAST_WORDS = 0.2;
// By how many nats the thresholds move from the lowest sensitivity to the highest, and their largest log-odds.
const SENSITIVITY_RANGE = 6, LARGEST_THRESHOLD = 30;
// The filter of the resampler: its reach to each side in samples of the lower rate, where it falls to a half as a
// fraction of the lower rate's highest frequency, and the shape of its Kaiser window, by which what it stops is 80 dB
// lower.
const REACH = 64, CUTOFF = 0.955, KAISER = 8;

/** A model that recognises. */
export class Recognizer {
  /** @param {object} model The parsed JSON file. */
  constructor(model) {
    if (!(model?.format >= 1)) throw new TypeError("not a model: expected the parsed JSON of `sayso export`");
    if (model.format > FORMAT) {
      throw new TypeError(`the model has format ${model.format}, this sayso.mjs reads up to ${FORMAT}; update it`);
    }
    this.model = model;
    /** The labels, in the order of the probabilities. */
    this.labels = model.labels;
    /** Samples per second. */
    this.sampleRate = model.sample_rate;
    /** Samples of a window. */
    this.windowSamples = model.window_samples;
    this.frontEnd = new FrontEnd(model.frontEnd);
    this.front = new Front(model);
    this.back = new Network(this.front.rest);
    const silence = new Float32Array(model.frontEnd.frames * this.frontEnd.silence.length);
    for (let at = 0; at < silence.length; at += this.frontEnd.silence.length) silence.set(this.frontEnd.silence, at);
    this.silence = silence;
    this.silenceFront = this.front.whole(silence);
  }

  /**
   * The probability of each label in one window.
   * @param {Float32Array} samples Exactly `windowSamples` numbers between -1 and 1.
   * @returns {Float32Array}
   */
  probabilities(samples) {
    if (samples.length !== this.windowSamples) {
      throw new RangeError(`a window has ${this.windowSamples} samples, not ${samples.length}`);
    }
    const frames = new FrameStream(this.frontEnd, this.model.frontEnd.frames);
    const filter = new HighPass(this.model.frontEnd.highPass);
    for (const sample of samples) frames.push(filter.next(sample));
    return this.back.probabilities(this.front.whole(frames.features));
  }

  /**
   * Begin a stream, as if silence had come before it.
   * @param {object} [options]
   * @param {number} [options.sampleRate] Samples per second of what will be pushed; by default the rate of the model.
   * @param {number} [options.sensitivity] From 0, few words are detected and few sounds taken for one, to 1.
   */
  stream({sampleRate = this.sampleRate, sensitivity = 0.5} = {}) {
    return new Stream(this, sampleRate, sensitivity);
  }

  /** Recognise the sound of the test in the model; the largest difference from Python, which is below 1e-4. */
  check() {
    const {samples, probabilities} = this.model.test;
    const found = this.probabilities(Float32Array.from(numbers(samples), value => value / 32768));
    return Math.max(...found.map((value, label) => Math.abs(value - probabilities[label])));
  }
}

/** A stream of sound, recognised step by step; made by `Recognizer.stream`. */
export class Stream {
  constructor(recognizer, sampleRate, sensitivity) {
    const {model, frontEnd, front} = recognizer;
    this.recognizer = recognizer;
    this.resampler = new Resampler(sampleRate, model.sample_rate);
    this.filter = new HighPass(model.frontEnd.highPass);
    this.frames = new FrameStream(frontEnd, model.frontEnd.frames);
    this.outputs = new WindowStream(front, this.frames.features, model.step);
    this.due = model.frontEnd.frames;
    this.end = model.window_samples - model.margin;
    this.count = 0;
    this.decision = new Decision(model);
    this.decision.sensitivity = sensitivity;
    for (let i = 0; i < model.margin; i++) this.take(0, []);
  }

  /** Changes how easily words are detected, from now on. */
  set sensitivity(value) {
    this.decision.sensitivity = value;
  }

  /**
   * Take the next samples, any number of them.
   * @param {Float32Array} samples
   * @returns {{end: number, probabilities: Float32Array, newest: Float32Array|null, detection: object|null}[]} The steps
   *   that they complete: where each window ends, in samples of the model's rate from the beginning of the stream; the
   *   probability of each label in it; and in its newest part alone, if the model's decision uses that; and the word
   *   that is detected.
   */
  push(samples) {
    return this.add(this.resampler.push(samples));
  }

  /** End the stream: return the steps that half a window of silence after it completes. */
  close() {
    const steps = this.add(this.resampler.close());
    const {margin, step_samples: step} = this.recognizer.model;
    for (let left = margin + (step - this.count % step) % step; left > 0; left--) this.take(0, steps);
    return steps;
  }

  add(samples) {
    const steps = [];
    for (const sample of samples) this.take(this.filter.next(sample), steps);
    this.count += samples.length;
    return steps;
  }

  /** Take a sample that is filtered already, and add the step that it completes, if any. */
  take(sample, steps) {
    if (!this.frames.push(sample) || --this.due > 0) return;
    const {model, back} = this.recognizer;
    this.due = model.step;
    const probabilities = back.probabilities(this.outputs.next()), newest = this.newest(probabilities);
    const detection = this.decision.update(probabilities, this.end, newest);
    steps.push({end: this.end, probabilities, newest, detection});
    this.end += model.step_samples;
  }

  /** The probabilities of the newest part of the window, before which it is silent. */
  newest(probabilities) {
    const {model, back, silence, silenceFront} = this.recognizer;
    if (!model.newest) return null;
    if (model.words.reduce((sum, word) => sum + probabilities[word], 0) < LEAST_WORDS) return probabilities;
    return back.probabilities(this.outputs.after(model.frontEnd.frames - model.newest, silence, silenceFront));
  }
}

/** Decides at which steps of a stream a word is detected, as sayso/recognition/decision.py does. */
export class Decision {
  /** @param {object} model The parsed JSON file. */
  constructor(model) {
    const {decision, labels, words, silence, thresholds, sample_rate, window_samples} = model;
    this.settings = decision;
    this.labels = labels;
    this.words = words;
    this.rate = sample_rate;
    this.window = window_samples / sample_rate;
    this.silence = decision.alone ? silence : null;
    this.anywhere = words.map(label => (decision.anywhere ?? []).includes(labels[label]));
    this.usual = thresholds.map(logOdds);
    this.sensitivity = 0.5;
    this.whole = new Means([Array(decision.smoothing).fill(1)], labels.length);
    const falling = [STEPS, STEPS_AGAIN].map(first => Array.from({length: STEPS}, (_, i) => Math.max(first - i, 0)));
    this.newest = new Means(falling, labels.length, -LARGEST);
    this.armed = words.map(() => true);
    this.fallen = words.map(() => true);
    this.gone = words.map(() => true);
    this.last = words.map(() => -Infinity);
    this.heard = [];
    this.due = [];
    this.certainAt = -Infinity;
    this.pauses = [];
  }

  /** From 0, few words are detected and few sounds taken for one, to 1; 0.5 keeps the thresholds of the model. */
  set sensitivity(value) {
    if (!(value >= 0 && value <= 1)) throw new RangeError(`the sensitivity is ${value}; expected a number from 0 to 1`);
    const nats = SENSITIVITY_RANGE * (0.5 - value);
    this.thresholds = this.usual.map(odds => Math.min(Math.max(odds + nats, -LARGEST_THRESHOLD), LARGEST_THRESHOLD));
  }

  /**
   * Process the probabilities of one step.
   * @param {Float32Array} probabilities Those of the window that ends at `end`.
   * @param {number} end In samples from the beginning of the stream.
   * @param {Float32Array|null} newest Those of the newest part of that window alone.
   * @returns {{label: string, confidence: number, start: number, end: number}|null} The word that is detected at this
   *   step, with its probability, and the window in which it was detected, in seconds.
   */
  update(probabilities, end, newest) {
    if (!this.words.length) return null;
    const now = end / this.rate, whole = clipped(probabilities), [average] = this.whole.push(whole);
    const ease = newest && this.silence !== null ? this.settings.ease : 0;
    const heard = this.thresholds.map((threshold, word) => threshold - (this.anywhere[word] ? 0 : ease));
    const rearm = heard.map(limit => limit - this.settings.hysteresis);
    const scores = this.words.map(label => average[label]);
    scores.forEach((score, word) => { this.armed[word] ||= score < rearm[word]; });
    const pauseBefore = this.pauseBefore(probabilities, now), alone = this.anywhere.map(free => free || pauseBefore);
    const excess = scores.map((score, word) => score - heard[word]);
    const best = excess.indexOf(Math.max(...excess)), found = excess[best] >= 0 && this.armed[best];
    if (!newest) {
      // Another word that follows at once cannot be separated from the end of the first.
      if (!found || !alone[best] || now - Math.max(...this.last) < this.settings.refractory) return null;
      this.armed[best] = false;
      this.last[best] = this.certainAt = now;
      return this.detection(best, average, now);
    }
    this.listenClosely(whole, clipped(newest), rearm, alone, now);
    if (found) {
      this.armed[best] = false;
      this.confirm(best, this.detection(best, average, now), alone[best], now);
    }
    const clear = scores.map((score, word) => score >= this.thresholds[word]);
    return this.next(clear, this.silence !== null && newest[this.silence] >= PAUSE, now);
  }

  /** Whether a word that is complete now stands alone, as far as what was heard before it shows. */
  pauseBefore(probabilities, now) {
    if (this.silence === null) return true;
    this.pauses.push({end: now, pause: probabilities[this.silence] >= PAUSE});
    this.pauses = this.pauses.filter(({end}) => end >= now - BEFORE[1]);
    const before = this.pauses.filter(({end}) => end <= now - BEFORE[0]);
    return !before.length || before.some(({pause}) => pause) || now - this.certainAt <= COMPANY;
  }

  /** Note the words that are complete in the newest part of the window. */
  listenClosely(whole, newest, rearm, alone, now) {
    const better = newest.slice();
    this.words.forEach((label, word) => {
      this.fallen[word] ||= newest[label] < rearm[word];
      this.gone[word] ||= whole[label] < rearm[word] && now - this.last[word] >= this.window;
      if (this.gone[word]) better[label] = Math.max(whole[label], newest[label]);
    });
    const [mean, brief] = this.newest.push(better);
    this.words.forEach((label, word) => {
      const since = now - this.last[word], threshold = this.thresholds[word];
      const likely = this.anywhere[word] ? threshold : Math.min(threshold, 0);
      const again = since <= COMPANY && brief[label] >= Math.max(threshold - EASE_AGAIN, likely);
      if (!this.fallen[word] || since < this.settings.refractory || !(mean[label] >= Math.max(threshold - EASE_NEWEST, likely) || again)) return;
      this.hear({word, alone: alone[word], whole: -Infinity, detection: this.detection(word, mean, now)}, now);
    });
  }

  hear(heard, now) {
    this.last[heard.word] = now;
    this.fallen[heard.word] = this.gone[heard.word] = false;
    this.heard.push(heard);
  }

  /** Note that the whole window shows a word, for the first time since its score fell. */
  confirm(word, detection, alone, now) {
    const same = this.heard.findLast(heard => heard.word === word);
    if (same) {
      same.whole = now;
      same.alone ||= alone;
      if (this.heard.length === 1) same.detection = detection;
    } else if (this.gone[word]) {
      this.hear({word, alone, whole: now, detection}, now);
    }
  }

  /** The next detection that is certain: by itself, or because several words are near each other. */
  next(clear, pause, now) {
    while (this.heard.length && now - this.heard[0].detection.end > COMPANY) this.heard.shift();
    if (this.heard.length) {
      const certain = this.heard.some(({word, alone, whole}) => alone && whole > -Infinity &&
        ((clear[word] && !this.settings.patient) || (pause && now - whole <= AFTER)));
      const company = new Set(this.heard.map(({word}) => word)).size > 1 && this.heard[0].alone;
      if (certain || company || now - this.certainAt <= COMPANY) {
        const last = this.heard.at(-1).detection;
        if (certain) Object.assign(last, {start: Math.max(now - this.window, 0), end: now});
        this.due.push(...this.heard.map(({detection}) => detection));
        this.certainAt = last.end;
        this.heard = [];
      }
    }
    return this.due.shift() ?? null;
  }

  detection(word, average, end) {
    const label = this.words[word], confidence = 1 / (1 + Math.exp(-average[label]));
    return {label: this.labels[label], confidence, start: Math.max(end - this.window, 0), end};
  }
}

/** Weighted means of the latest rows, of which the newest is the first. */
class Means {
  constructor(weights, width, fill) {
    this.weights = weights;
    this.rows = fill === undefined ? [] : weights[0].map(() => Array(width).fill(fill));
  }

  push(row) {
    this.rows = [row, ...this.rows].slice(0, this.weights[0].length);
    return this.weights.map(weights => {
      const total = this.rows.reduce((sum, _, i) => sum + weights[i], 0);
      return row.map((_, label) => this.rows.reduce((sum, each, i) => sum + weights[i] * each[label], 0) / total);
    });
  }
}

const logOdds = probability => Math.log(probability) - Math.log1p(-probability);
const clipped = probabilities => Array.from(probabilities, p => Math.min(Math.max(logOdds(p), -LARGEST), LARGEST));

/** The Butterworth high-pass of second order, as a recursion on a state of two numbers. */
class HighPass {
  constructor(settings) {
    this.settings = settings;
    this.state = null;
  }

  next(sample) {
    if (!this.settings) return sample;
    const {transition: [[a, b], [c, d]], input, output, direct} = this.settings;
    // As if the first sample had been there for ever.
    this.state ??= Float64Array.of(0, sample);
    const [first, second] = this.state;
    this.state[0] = a * first + b * second + input[0] * sample;
    this.state[1] = c * first + d * second + input[1] * sample;
    return output[0] * first + output[1] * second + direct * sample;
  }
}

/** Changes the rate of a stream by a windowed sinc, whose delay is made up for; how the stream is cut changes nothing. */
export class Resampler {
  /** @param {number} from Samples per second of the stream. @param {number} to Those that are wanted. */
  constructor(from, to) {
    const divisor = (a, b) => b ? divisor(b, a % b) : a, common = divisor(Math.round(from), Math.round(to));
    /** Each sample that is returned lies `down / up` samples of the stream after the one before it. */
    this.up = Math.round(to) / common;
    this.down = Math.round(from) / common;
    if (!(this.up > 0 && this.down > 0)) throw new RangeError(`a rate of ${from} Hz cannot become one of ${to} Hz`);
    const lower = Math.min(this.up / this.down, 1);
    this.half = Math.ceil(REACH / lower);
    this.filters = this.up === this.down ? [] : Array.from({length: this.up}, (_, phase) => this.filter(phase, lower));
    // The samples that are still needed; before the stream there is silence.
    this.kept = new Float32Array(this.half - 1);
    // Where the next sample lies: after the first ones in `kept`, and parts of a sample.
    this.position = 0;
    this.phase = 0;
    this.missing = 0;
  }

  /** The weights of the samples around a place that is `phase / up` samples after one of them. */
  filter(phase, lower) {
    const weights = Float64Array.from({length: 2 * this.half}, (_, i) => {
      const distance = i - this.half + 1 - phase / this.up, angle = Math.PI * CUTOFF * lower * distance;
      const edge = Math.sqrt(Math.max(1 - (distance / this.half) ** 2, 0));
      return (angle ? Math.sin(angle) / angle : 1) * bessel(KAISER * edge);
    });
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return weights.map(weight => weight / sum);
  }

  /** The samples that are complete now; some are held back until more come. */
  push(samples) {
    if (this.up === this.down) return samples;
    this.missing += samples.length * this.up;
    const all = new Float32Array(this.kept.length + samples.length), length = 2 * this.half, found = [];
    all.set(this.kept);
    all.set(samples, this.kept.length);
    while (this.position + length <= all.length) {
      const weights = this.filters[this.phase];
      let sum = 0;
      for (let i = 0, at = this.position; i < length; i++, at++) sum += weights[i] * all[at];
      found.push(sum);
      this.missing -= this.down;
      this.phase += this.down;
      this.position += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    this.kept = all.slice(this.position);
    this.position = 0;
    return Float32Array.from(found);
  }

  /** The samples that were held back, with silence after the end of the stream. */
  close() {
    const count = Math.max(Math.ceil(this.missing / this.down), 0);
    return this.push(new Float32Array(this.up === this.down ? 0 : 2 * this.half)).subarray(0, count);
  }
}

/** The modified Bessel function of the first kind and order zero, by its series. */
function bessel(x) {
  let sum = 1;
  for (let k = 1, term = 1; term > 1e-12 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

/** From frames of samples to features. */
class FrontEnd {
  constructor(settings) {
    this.fftSize = settings.fftSize;
    this.hop = settings.hop;
    this.floor = settings.floor;
    this.window = numbers(settings.window);
    this.melFirst = settings.melFirst;
    this.melCount = settings.melCount;
    this.mel = Float64Array.from(numbers(settings.mel));
    this.matrix = Float64Array.from(numbers(settings.matrix));
    this.offset = numbers(settings.offset);
    const half = this.fftSize / 2;
    this.cosines = Float64Array.from({length: half}, (_, i) => Math.cos(2 * Math.PI * i / this.fftSize));
    this.sines = Float64Array.from({length: half}, (_, i) => Math.sin(2 * Math.PI * i / this.fftSize));
    this.real = new Float64Array(half);
    this.imaginary = new Float64Array(half);
    this.powers = new Float64Array(half + 1);
    this.logarithms = new Float64Array(this.melCount.length);
    this.silence = new Float32Array(this.offset.length);
    this.compute(new Float64Array(this.fftSize), this.silence, 0);
  }

  /** Compute the features of one frame and put them to a place in an array. */
  compute(samples, features, place) {
    this.spectrum(samples);
    const {mel, powers, logarithms, matrix} = this;
    for (let band = 0, i = 0; band < logarithms.length; band++) {
      let energy = 0;
      const first = this.melFirst[band], end = first + this.melCount[band];
      for (let bin = first; bin < end; bin++) energy += mel[i++] * powers[bin];
      logarithms[band] = Math.log(Math.max(energy, this.floor));
    }
    for (let i = 0, at = 0; i < this.offset.length; i++) {
      let sum = this.offset[i];
      for (let band = 0; band < logarithms.length; band++) sum += matrix[at++] * logarithms[band];
      features[place + i] = sum;
    }
  }

  /** The powers of a frame's spectrum: even samples are transformed as real parts, odd ones as imaginary parts. */
  spectrum(samples) {
    const {real, imaginary, powers, window, cosines, sines} = this;
    const size = real.length;
    for (let i = 0; i < size; i++) {
      real[i] = samples[2 * i] * window[2 * i];
      imaginary[i] = samples[2 * i + 1] * window[2 * i + 1];
    }
    this.transform();
    for (let i = 0; i <= size; i++) {
      const a = i % size, b = (size - i) % size;
      const evenRe = (real[a] + real[b]) / 2, evenIm = (imaginary[a] - imaginary[b]) / 2;
      const oddRe = (imaginary[a] + imaginary[b]) / 2, oddIm = (real[b] - real[a]) / 2;
      const cosine = i < size ? cosines[i] : -1, sine = i < size ? sines[i] : 0;
      const re = evenRe + oddRe * cosine + oddIm * sine, im = evenIm + oddIm * cosine - oddRe * sine;
      powers[i] = re * re + im * im;
    }
  }

  /** The discrete Fourier transform of `real` and `imaginary`, in place. */
  transform() {
    const {real, imaginary, cosines, sines} = this;
    const size = real.length;
    for (let i = 1, j = 0; i < size; i++) { // j is i with its bits in reverse order
      let bit = size >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        [real[i], real[j]] = [real[j], real[i]];
        [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
      }
    }
    for (let half = 1; half < size; half *= 2) {
      for (let k = 0; k < half; k++) {
        const cosine = cosines[k * (size / half)], sine = sines[k * (size / half)];
        for (let i = k; i < size; i += 2 * half) {
          const j = i + half;
          const re = real[j] * cosine + imaginary[j] * sine, im = imaginary[j] * cosine - real[j] * sine;
          real[j] = real[i] - re;
          imaginary[j] = imaginary[i] - im;
          real[i] += re;
          imaginary[i] += im;
        }
      }
    }
  }
}

/** Computes each frame of a stream once and keeps those of the latest window. */
class FrameStream {
  constructor(frontEnd, frames) {
    this.frontEnd = frontEnd;
    this.width = frontEnd.offset.length;
    this.samples = new Float64Array(frontEnd.fftSize);
    this.held = 0;
    /** Features of the window, the oldest frame first. */
    this.features = new Float32Array(frames * this.width);
  }

  /** Take a sample; whether it completes a frame. */
  push(sample) {
    this.samples[this.held++] = sample;
    if (this.held < this.samples.length) return false;
    this.features.copyWithin(0, this.width);
    this.frontEnd.compute(this.samples, this.features, this.features.length - this.width);
    this.samples.copyWithin(0, this.frontEnd.hop);
    this.held -= this.frontEnd.hop;
    return true;
  }
}

/** The network: values of shape (frames, channels, bands), the last changing fastest, in arrays of single precision. */
class Network {
  constructor(operations) {
    this.steps = operations.map(operation => ({run: OPERATIONS[operation.kind](operation), inputs: operation.inputs}));
  }

  /** The last value. It is overwritten by the next call. */
  run(input) {
    const values = [input];
    for (const {run, inputs} of this.steps) values.push(run(...inputs.map(number => values[number])));
    return values.at(-1);
  }

  /** The probabilities of the labels. */
  probabilities(input) {
    const logits = this.run(input), largest = Math.max(...logits);
    const exponentials = Float32Array.from(logits, logit => Math.exp(logit - largest));
    const sum = exponentials.reduce((total, value) => total + value, 0);
    return exponentials.map(value => value / sum);
  }
}

/**
 * The first operations of a network, as far as each frame of their output depends on few frames of the input: where most
 * frames of two windows are the same, only the others have to be computed. See also sayso/nn/streaming.py.
 */
class Front {
  constructor({operations, step, frontEnd: {frames, offset}}) {
    const reach = [0];
    let length = 0, context = 0;
    for (const {inputs, taken, shape, padding = 0} of operations) {
      const own = Math.max(...inputs.map(value => reach[value])) + padding;
      if (taken[0] !== frames || shape[0] !== frames || 4 * own + step >= frames) break;
      reach.push(own);
      // The rest may take nothing but the last value.
      const last = reach.length - 1;
      if (operations.slice(last).every(({inputs}) => Math.min(...inputs) >= last)) [length, context] = [last, own];
    }
    this.operations = operations.slice(0, length);
    /** The other operations, which take the output of these. */
    this.rest = operations.slice(length).map(each => ({...each, inputs: each.inputs.map(value => value - length)}));
    /** Frames of the input to each side on which a frame of the output depends. */
    this.context = context;
    this.frames = frames;
    this.taken = numbers(offset).length;
    this.width = length ? size(operations[length - 1].shape) / frames : this.taken;
    this.networks = new Map();
  }

  /** These operations for another number of frames. */
  sized(frames) {
    const resized = ([, ...others]) => [frames, ...others];
    if (!this.networks.has(frames)) {
      const operations = this.operations.map(each => ({...each, taken: resized(each.taken), shape: resized(each.shape)}));
      this.networks.set(frames, new Network(operations));
    }
    return this.networks.get(frames);
  }

  /** The outputs for a window. */
  whole(features) {
    return this.sized(this.frames).run(features).slice();
  }

  /** Compute the outputs for the frames from `first` to `end` of a window, and put them to their places. */
  update(outputs, features, first, end) {
    const {context, frames, taken, width} = this;
    if (first >= end) return;
    const length = Math.min(end - first + 2 * context, frames);
    const start = Math.min(Math.max(first - context, 0), frames - length);
    const found = this.sized(length).run(features.subarray(start * taken, (start + length) * taken));
    outputs.set(found.subarray((first - start) * width, (end - start) * width), first * width);
  }
}

/** The outputs of the front for the windows of a stream. */
class WindowStream {
  constructor(front, features, step) {
    this.front = front;
    this.features = features;
    this.step = step;
    this.outputs = null;
  }

  /** The outputs for the next window, whose features are there now. */
  next() {
    const {front, features, step, outputs} = this;
    if (!outputs) return this.outputs = front.whole(features);
    // Beyond the ends of a window are zeros, where the window before had other frames.
    outputs.copyWithin(0, step * front.width);
    front.update(outputs, features, 0, front.context);
    front.update(outputs, features, Math.max(front.frames - step - front.context, 0), front.frames);
    return outputs;
  }

  /** The outputs for the same window, with other frames, whose outputs are known, in front of the frame `begin`. */
  after(begin, others, known) {
    const {front, outputs} = this, features = this.features.slice(), joined = outputs.slice();
    features.set(others.subarray(0, begin * front.taken));
    joined.set(known.subarray(0, begin * front.width));
    front.update(joined, features, Math.max(begin - front.context, 0), Math.min(begin + front.context, front.frames));
    return joined;
  }
}

const size = shape => shape.reduce((product, length) => product * length, 1);

/** For each kind of operation, a function that prepares it and returns the one that computes it. */
const OPERATIONS = {
  /** Weighted sums over all channels and a window of frames and bands: receptive fields as rows, then one product. */
  Convolve({taken: [frames, channels, bands], shape, weight, scale, bias, kernel, band_kernel: width, ...window}) {
    const [outFrames, outputs, outBands] = shape;
    const length = kernel * channels * width, rows = outFrames * outBands;
    const weights = inFours(scaled(weight, scale, place => Math.floor(place / length)), outputs, length);
    const biases = numbers(bias);
    const y = new Float32Array(size(shape));
    const direct = kernel === 1 && width === bands && outFrames === frames && !window.padding;
    const fields = direct ? null : new Float32Array(rows * length);
    return x => {
      if (!direct) {
        for (let t = 0, at = 0; t < outFrames; t++) {
          for (let f = 0; f < outBands; f++) {
            for (let tap = 0; tap < kernel; tap++, at += channels * width) {
              const frame = t * window.stride + tap * window.dilation - window.padding;
              // Beyond the ends, the field keeps its zeros.
              if (frame < 0 || frame >= frames) continue;
              let from = frame * channels * bands + f * window.band_stride, to = at;
              for (let c = 0; c < channels; c++, from += bands) {
                for (let j = 0; j < width; j++) fields[to++] = x[from + j];
              }
            }
          }
        }
      }
      multiply(direct ? x : fields, weights, biases, y, rows, outputs, length, outBands);
      return y;
    };
  },

  /** Weighted sums over a window of frames, within each channel; four channels at a time. */
  ConvolveDepthwise({taken: [frames, channels], shape, weight, scale, kernel, stride, dilation, padding}) {
    const weights = scaled(weight, scale, place => place % channels);
    const y = new Float32Array(size(shape));
    return x => {
      for (let t = 0; t < shape[0]; t++) {
        const start = t * stride - padding, step = dilation * channels;
        // The taps that lie within the input.
        const first = Math.max(Math.ceil(-start / dilation), 0);
        const end = Math.min(Math.ceil((frames - start) / dilation), kernel);
        for (let c = 0; c < channels; c += 4) {
          const c1 = Math.min(c + 1, channels - 1), c2 = Math.min(c + 2, channels - 1), c3 = Math.min(c + 3, channels - 1);
          let a = 0, a1 = 0, a2 = 0, a3 = 0;
          for (let tap = first, at = first * channels, from = start * channels + first * step; tap < end; tap++) {
            a += weights[at + c] * x[from + c];
            a1 += weights[at + c1] * x[from + c1];
            a2 += weights[at + c2] * x[from + c2];
            a3 += weights[at + c3] * x[from + c3];
            at += channels;
            from += step;
          }
          const to = t * channels;
          y[to + c] = a; y[to + c1] = a1; y[to + c2] = a2; y[to + c3] = a3;
        }
      }
      return y;
    };
  },

  /** A gain and a shift for each channel. */
  Scale({shape: [, channels, bands], shape, gain, shift}) {
    const gains = numbers(gain), shifts = numbers(shift), y = new Float32Array(size(shape));
    return x => {
      for (let i = 0; i < y.length; i++) {
        const channel = Math.floor(i / bands) % channels;
        y[i] = x[i] * gains[channel] + shifts[channel];
      }
      return y;
    };
  },

  Rectify({shape}) {
    const y = new Float32Array(size(shape));
    return x => {
      for (let i = 0; i < y.length; i++) y[i] = x[i] > 0 ? x[i] : 0;
      return y;
    };
  },

  TakeTanh({shape}) {
    const y = new Float32Array(size(shape));
    return x => {
      for (let i = 0; i < y.length; i++) y[i] = Math.tanh(x[i]);
      return y;
    };
  },

  Add({shape}) {
    const y = new Float32Array(size(shape));
    return (a, b) => {
      for (let i = 0; i < y.length; i++) y[i] = a[i] + b[i];
      return y;
    };
  },

  /** The mean of each channel over the frames, then the standard deviations. */
  Pool({taken: [frames, channels], shape, epsilon}) {
    const y = new Float32Array(size(shape));
    return x => {
      for (let c = 0; c < channels; c++) {
        let mean = 0, variance = 0;
        for (let t = 0; t < frames; t++) mean += x[t * channels + c];
        mean /= frames;
        for (let t = 0; t < frames; t++) variance += (x[t * channels + c] - mean) ** 2;
        y[c] = mean;
        y[channels + c] = Math.sqrt(variance / frames + epsilon);
      }
      return y;
    };
  },

  /** The last logits are parts of the one at `into`: the logarithm of the sum of their exponentials. */
  Merge({shape, into, parts}) {
    const count = size(shape);
    return x => {
      const members = [x[into], ...x.subarray(count, count + parts)], largest = Math.max(...members);
      const y = x.slice(0, count);
      y[into] = largest + Math.log(members.reduce((sum, member) => sum + Math.exp(member - largest), 0));
      return y;
    };
  },

  Reshape: () => x => x,
};

/**
 * The matrix product y = x w' + bias of rows of equal length: four outputs of three rows at a time, so that each number
 * that is loaded is used several times. The rows go over frames and bands; y is in the order frames, outputs, bands.
 */
function multiply(x, weights, biases, y, rows, outputs, length, bands) {
  const place = row => Math.floor(row / bands) * outputs * bands + row % bands;
  for (let row = 0; row < rows; row += 3) {
    // At the end, the last row and the last output are computed several times.
    const rowB = Math.min(row + 1, rows - 1), rowC = Math.min(row + 2, rows - 1);
    const p = row * length, q = rowB * length, r = rowC * length;
    const toA = place(row), toB = place(rowB), toC = place(rowC);
    for (let o = 0; o < outputs; o += 4) {
      const o1 = Math.min(o + 1, outputs - 1), o2 = Math.min(o + 2, outputs - 1), o3 = Math.min(o + 3, outputs - 1);
      let a0 = biases[o], a1 = biases[o1], a2 = biases[o2], a3 = biases[o3];
      let b0 = a0, b1 = a1, b2 = a2, b3 = a3, c0 = a0, c1 = a1, c2 = a2, c3 = a3;
      for (let k = 0, w = o * length; k < length; k++, w += 4) {
        const a = x[p + k], b = x[q + k], c = x[r + k];
        const u0 = weights[w], u1 = weights[w + 1], u2 = weights[w + 2], u3 = weights[w + 3];
        a0 += a * u0; a1 += a * u1; a2 += a * u2; a3 += a * u3;
        b0 += b * u0; b1 += b * u1; b2 += b * u2; b3 += b * u3;
        c0 += c * u0; c1 += c * u1; c2 += c * u2; c3 += c * u3;
      }
      const at = o * bands, at1 = o1 * bands, at2 = o2 * bands, at3 = o3 * bands;
      y[toA + at] = a0; y[toA + at1] = a1; y[toA + at2] = a2; y[toA + at3] = a3;
      y[toB + at] = b0; y[toB + at1] = b1; y[toB + at2] = b2; y[toB + at3] = b3;
      y[toC + at] = c0; y[toC + at1] = c1; y[toC + at2] = c2; y[toC + at3] = c3;
    }
  }
}

/** The weights in the order in which `multiply` takes them: those of four outputs together, the last one repeated. */
function inFours(weights, outputs, length) {
  const fours = new Float32Array(4 * Math.ceil(outputs / 4) * length);
  for (let o = 0, at = 0; o < outputs; o += 4) {
    for (let k = 0; k < length; k++) {
      for (let i = 0; i < 4; i++) fours[at++] = weights[Math.min(o + i, outputs - 1) * length + k];
    }
  }
  return fours;
}

/** The weights of an operation; integers are multiplied by the scale of their output. */
function scaled(weight, scale, outputOf) {
  if (!scale) return numbers(weight);
  const scales = numbers(scale);
  return Float32Array.from(numbers(weight), (value, place) => value * scales[outputOf(place)]);
}

/** The numbers of an array of the JSON file. */
function numbers(array) {
  const [[type, text]] = Object.entries(array);
  const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
  return new {float32: Float32Array, int16: Int16Array, int8: Int8Array}[type](bytes.buffer);
}
