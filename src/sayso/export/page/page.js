// The page itself: the microphone, the controls, and what was heard. All recognition happens in workers.

const element = id => document.getElementById(id), text = id => element(id).textContent;
const MODEL = text("model");
// Most words in a list; most bytes of a file; decibels at the left of the level; seconds for which a word is new.
const MOST_WORDS = 200, MOST_BYTES = 50e6, FLOOR = -60, FRESH = 1.6;
// Seconds until sound must have arrived; seconds of zeros, which no microphone that is on gives; magnitude of full scale;
// how busy the worker may be.
const ARRIVES = 4, SILENT = 3, CLIPPED = 0.999, BUSY = 0.9;
const start = element("start"), sensitivity = element("sensitivity"), file = element("file");
const percent = share => `${(100 * share).toFixed(share < 0.9995 ? 1 : 0)} %`;
const workerUrl = URL.createObjectURL(new Blob(['"use strict";\n', text("library"), text("worker")]));

/** A worker with the model; `hear` is called with each of its messages. */
function recognise(hear, fail) {
  const worker = new Worker(workerUrl);
  worker.onmessage = ({data}) => hear(data);
  worker.onerror = event => fail(`The recognition stopped: ${event.message || "the browser refuses to run it"}.`);
  worker.postMessage({model: MODEL});
  return worker;
}

function say(id, message) {
  element(id).hidden = !message;
  element(id).textContent = message;
}

/** A line of a list: the word, when it was heard, and how certain it is. */
function line(word, when, confidence, play) {
  const item = document.createElement("li"), name = document.createElement(play ? "button" : "span");
  name.textContent = word;
  if (play) {
    name.type = "button";
    name.setAttribute("aria-label", `Play ${word}, ${when}`);
    name.onclick = play;
  }
  item.append(name, ...[when, percent(confidence)].map(part => {
    const detail = document.createElement("span");
    detail.textContent = part;
    return detail;
  }));
  return item;
}

// --- Listening --------------------------------------------------------------------------------------------------------

const chips = [...document.querySelectorAll("#words li")];
let facts = null, session = null, silentSince = null, overdue = null, fresh = null;

status("Loading …");
const live = recognise(data => {
  if (data.labels) ready(data);
  else if (session) show(data);
}, message => { stop(); say("problem", message); });

function ready(data) {
  facts = data;
  element("device").textContent = `probabilities differ from Python's by ${data.difference.toExponential(0)}`;
  if (!(data.difference < 1e-4)) {
    say("problem", "This browser computes something else than the model should give; try another one.");
  } else if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
    status("The microphone is not available here.");
    say("problem", "A browser lends the microphone only to pages from https, from this machine (http://localhost), or " +
      "opened as a file. This one came in another way. Recordings can be tried below.");
  } else {
    start.disabled = false;
    status("Ready. The browser will ask for the microphone.");
  }
}

function status(message) {
  element("status").textContent = message;
}

start.onclick = () => session ? stop() : listen();

async function listen() {
  say("problem", "");
  start.disabled = true;
  status("Waiting for your permission to use the microphone …");
  let microphone = null;
  try {
    // The sound as it is: what browsers do to voices for calls, the model has not learned.
    const audio = {channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false};
    microphone = await navigator.mediaDevices.getUserMedia({audio});
    session = await connected(microphone);
  } catch (error) {
    microphone?.getTracks().forEach(track => track.stop());
    status("Not listening.");
    say("problem", REFUSALS[error.name] ?? `The microphone cannot be used: ${error.message || error.name}.`);
    start.disabled = false;
    return;
  }
  const [track] = microphone.getAudioTracks();
  track.onended = () => { stop(); say("problem", "The microphone was disconnected. Connect it and start again."); };
  silentSince = null;
  overdue = setTimeout(() => say("problem", "No sound arrives from the microphone. Some browsers give none while there is no " +
    "loudspeaker or headphone: connect one. Else choose another microphone in the browser's settings."), 1000 * ARRIVES);
  start.disabled = false;
  start.textContent = "Stop";
  start.setAttribute("aria-pressed", "true");
  status(`Listening${track.label ? ` to ${track.label}` : ""}.`);
}

const REFUSALS = {
  NotAllowedError: "The microphone was refused. Allow it for this page, in the settings beside the page's address " +
    "(and for the browser in the settings of the system), and start again.",
  NotFoundError: "There is no microphone. Connect one and start again.",
  NotReadableError: "The microphone gives no sound. Another program may hold it: close that, and start again.",
};

/** Lead the microphone to the worker. */
async function connected(microphone) {
  let context = null, source = null;
  try {
    context = new AudioContext({sampleRate: facts.sampleRate});
    source = context.createMediaStreamSource(microphone);
  } catch {
    // Some browsers cannot change the microphone's rate, or take none like this; then the worker changes it.
    context?.close();
    context = new AudioContext();
    source = context.createMediaStreamSource(microphone);
  }
  // Of a page that was opened as a file, browsers load no such module from a blob.
  await context.audioWorklet.addModule(`data:text/javascript,${encodeURIComponent(text("tap"))}`);
  // Without a sound output, a browser may never answer to this.
  context.resume();
  const tap = new AudioWorkletNode(context, "tap", {numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit"});
  const {port1, port2} = new MessageChannel();
  live.postMessage({port: port1, sampleRate: context.sampleRate, sensitivity: +sensitivity.value}, [port1]);
  tap.port.postMessage(port2, [port2]);
  source.connect(tap);
  // A telephone that rings pauses the sound.
  context.onstatechange = () => { if (context.state === "interrupted") status("Paused by the system."); };
  return {microphone, context};
}

function stop() {
  if (!session) return;
  const {microphone, context} = session;
  session = null;
  clearTimeout(overdue);
  live.postMessage({stop: true});
  microphone.getTracks().forEach(track => { track.onended = null; track.stop(); });
  context.onstatechange = null;
  context.close();
  start.textContent = "Start listening";
  start.setAttribute("aria-pressed", "false");
  status("Not listening.");
  say("problem", "");
  meter(FLOOR, "off");
  scores(null);
}

/** Show what the worker makes of the latest sound. */
function show({decibels, peak, scores: latest, detections, load, cost}) {
  const now = performance.now();
  clearTimeout(overdue);
  meter(decibels, `${Math.round(decibels)} decibels below full scale`.replace("-", ""), peak >= CLIPPED);
  silentSince = peak ? null : silentSince ?? now;
  let problem = "";
  if (silentSince !== null && now - silentSince > 1000 * SILENT) {
    problem = "The microphone gives nothing but zeros: it is muted, or the system does not let the browser use it.";
  } else if (load > BUSY) {
    problem = "This device is too slow for this model: words come late. Export a smaller one, such as commands-tiny.";
  }
  if (element("problem").textContent !== problem) say("problem", problem);
  if (latest) {
    scores(latest);
    element("device").textContent = `probabilities differ from Python's by ${facts.difference.toExponential(0)}; ` +
      `a decision takes ${cost.toFixed(1)} ms`;
  }
  detections.forEach(heard);
}

function meter(decibels, described, loud = false) {
  const level = element("level"), shown = Math.min(Math.max(decibels, FLOOR), 0);
  level.setAttribute("aria-valuenow", Math.round(shown));
  level.setAttribute("aria-valuetext", described);
  level.classList.toggle("loud", loud);
  level.firstElementChild.style.setProperty("--level", `${100 - 100 * shown / FLOOR}%`);
}

function scores(latest) {
  for (const chip of chips) chip.style.setProperty("--score", `${latest ? Math.round(100 * latest[chip.dataset.label]) : 0}%`);
}

function heard({label, confidence}) {
  const time = new Date().toLocaleTimeString(), list = element("heard");
  list.prepend(line(label, time, confidence));
  while (list.children.length > MOST_WORDS) list.lastElementChild.remove();
  element("nothing").hidden = true;
  element("clear").hidden = false;
  const [word, detail] = element("now").children;
  word.textContent = label;
  detail.textContent = `${percent(confidence)} · ${time}`;
  const marked = [element("now"), ...chips.filter(chip => facts.labels[chip.dataset.label] === label)];
  clearTimeout(fresh);
  document.querySelectorAll(".fresh").forEach(each => each.classList.remove("fresh"));
  // Reading a size makes the browser start the animation anew.
  void element("now").offsetWidth;
  marked.forEach(each => each.classList.add("fresh"));
  fresh = setTimeout(() => marked.forEach(each => each.classList.remove("fresh")), 1000 * FRESH);
}

element("clear").onclick = () => {
  element("heard").replaceChildren();
  element("clear").hidden = true;
  element("nothing").hidden = false;
};

// --- Sensitivity ------------------------------------------------------------------------------------------------------

const alarms = JSON.parse(MODEL).alarms;

sensitivity.oninput = () => {
  element("value").textContent = sensitivity.value;
  live.postMessage({sensitivity: +sensitivity.value});
  const [nearest] = [...alarms].sort((a, b) => Math.abs(a[0] - sensitivity.value) - Math.abs(b[0] - sensitivity.value));
  element("effect").textContent = nearest ? `At ${nearest[0]}, about ${nearest[1]} false alarms per hour of talk.` : "";
};
sensitivity.onchange = () => { if (recording) find(); };
sensitivity.oninput();

// --- Recordings -------------------------------------------------------------------------------------------------------

const drop = element("drop"), player = element("player");
let recording = null, finder = null, until = Infinity;

file.onchange = () => { if (file.files.length) take(file.files[0]); };
// A file that misses the frame must not replace the page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, event => event.preventDefault());
drop.ondragover = () => drop.classList.add("over");
drop.ondragleave = () => drop.classList.remove("over");
drop.ondrop = ({dataTransfer: {files}}) => {
  drop.classList.remove("over");
  if (files.length) take(files[0]);
};

/** Read a file and recognise the words in it. */
async function take(chosen) {
  finder?.terminate();
  recording = null;
  element("result").hidden = true;
  say("failure", "");
  element("progress").textContent = `Reading ${chosen.name} …`;
  try {
    if (chosen.size > MOST_BYTES) throw new RangeError(`it has ${Math.round(chosen.size / 1e6)} MB, and a page reads up to ` +
      `${MOST_BYTES / 1e6} MB; use \`sayso classify\`, or cut it`);
    recording = {name: chosen.name, sound: await decoded(await chosen.arrayBuffer())};
  } catch (error) {
    element("progress").textContent = "";
    say("failure", `${chosen.name} cannot be used: ${error.name === "EncodingError" ?
      "it is no sound that this browser can decode; try a WAV, MP3, FLAC or Ogg file" : error.message}.`);
    return;
  }
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(chosen);
  find();
}

/** The samples of a sound file at the model's rate, the mean of its channels. */
async function decoded(content) {
  const buffer = await new OfflineAudioContext(1, 1, facts.sampleRate).decodeAudioData(content);
  const sound = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    buffer.getChannelData(channel).forEach((sample, i) => { sound[i] += sample / buffer.numberOfChannels; });
  }
  return sound;
}

/** Find the words in the recording, with the sensitivity that is set. */
function find() {
  const {name, sound} = recording, seconds = (sound.length / facts.sampleRate).toFixed(1);
  finder?.terminate();
  element("found").setAttribute("aria-busy", "true");
  finder = recognise(({done, found}) => {
    if (done) element("progress").textContent = `${name}, ${seconds} s: ${Math.round(100 * done)} %`;
    if (!found) return;
    element("found").setAttribute("aria-busy", "false");
    element("progress").textContent = `${name}, ${seconds} s: ${found.length || "no"} word${found.length === 1 ? "" : "s"}`;
    element("found").replaceChildren(...found.map(({label, confidence, start, end}) =>
      line(label, `${start.toFixed(1)} to ${end.toFixed(1)} s`, confidence, () => play(start, end))));
    element("result").hidden = false;
  }, message => say("failure", message));
  finder.postMessage({sound, sensitivity: +sensitivity.value});
}

function play(from, to) {
  until = to;
  player.currentTime = from;
  player.play();
}

player.ontimeupdate = () => {
  if (player.currentTime < until) return;
  until = Infinity;
  player.pause();
};
