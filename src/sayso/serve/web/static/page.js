// The page: its connection to the server, the microphone, live words, and teaching.

import { INSECURE, Microphone } from "./microphone.js";
import { Recorder } from "./takes.js";

const $ = id => document.getElementById(id);
const FAULTS = {
  silent: "No signal: is the microphone muted?",
  clipping: "Too loud: move away, or turn the microphone down.",
  quiet: "Very quiet: come nearer, or turn the microphone up in the settings of your system.",
};
// Words that stay on the page, and seconds of sound that may wait to be sent.
const KEPT = 8, BEHIND = 3;
// Decibels at the left end of the meter.
const LOWEST = -70;

let socket = null, state = null, delay = 1, chosen = "base", lesson = null, asked = false;
const microphone = new Microphone(send, lost);
const recorder = new Recorder(microphone, listen, request);

// The connection.

function connect() {
  socket = new WebSocket(Object.assign(new URL("socket", location), { protocol: location.protocol.replace("http", "ws") }));
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    delay = 1;
    notice(window.isSecureContext ? "" : INSECURE);
    if (microphone.on) begin();
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    ({ state: show, sound, heard, ended: off, error: ({ error }) => notice(error) })[message.type](message);
  };
  socket.onclose = async () => {
    notice(await reason());
    setTimeout(connect, 1000 * delay);
    delay = Math.min(2 * delay, 10);
  };
}

async function reason() {
  try {
    await request("socket", {});
  } catch (error) {
    if (error.status && error.status !== 400) return error.message;
  }
  return "The connection is lost: is sayso serve web still running? Trying again …";
}

// Ask the server; throws an Error with its reason.
async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server cannot be reached: is sayso serve web still running? Nothing is lost, try again then.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.error ?? response.statusText), { status: response.status });
  return answer;
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

// The microphone.

async function listen() {
  if (microphone.on) return;
  await microphone.start();
  $("microphone").textContent = "Turn the microphone off";
  $("microphone").className = "";
  $("nothing").textContent = "Say one of the words.";
  begin();
}

function begin() {
  if (socket.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ type: "listen", rate: microphone.rate, model: chosen }));
  }
}

function send(block) {
  if (socket.readyState !== WebSocket.OPEN) return;
  // Old sound would only delay new words.
  if (socket.bufferedAmount > 2 * BEHIND * microphone.rate) return notice("The machine or the network is too slow: some sound is lost.");
  socket.send(block);
}

function lost() {
  $("microphone").textContent = "Turn the microphone on";
  $("microphone").className = "primary";
  off();
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "stop" }));
}

// Nothing is shown of a microphone that is off.
function off() {
  if (microphone.on) return;
  level(LOWEST);
  $("fault").textContent = "";
  $("likely").replaceChildren();
}

$("microphone").addEventListener("click", async () => {
  try {
    if (microphone.on) {
      await microphone.stop();
      lost();
    } else {
      await listen();
      notice("");
    }
  } catch (error) {
    notice(error.message);
  }
});

// Live words.

function level(decibels) {
  const shown = Math.max(LOWEST, Math.min(0, decibels));
  $("level").setAttribute("aria-valuenow", Math.round(shown));
  $("level").setAttribute("aria-valuetext", `${Math.round(shown)} decibels`);
  $("level").firstElementChild.style.transform = `scaleX(${1 - shown / LOWEST})`;
}

function sound({ level: decibels, fault, likely }) {
  if (!microphone.on) return;
  level(decibels);
  if ($("fault").textContent !== (FAULTS[fault] ?? "")) $("fault").textContent = FAULTS[fault] ?? "";
  if (likely) $("likely").replaceChildren(...likely.map(([label, probability]) => {
    const row = document.createElement("div"), bar = document.createElement("span"), value = document.createElement("span");
    bar.className = "meter";
    bar.append(document.createElement("span"));
    bar.firstElementChild.style.transform = `scaleX(${probability})`;
    value.textContent = percent(probability);
    row.append(named(label), bar, value);
    return row;
  }));
}

// Labels that are no words have names between underscores.
function named(label) {
  const name = document.createElement("span");
  const special = { _unknown_: "something else", _silence_: "silence" }[label];
  name.textContent = special ?? label;
  if (special) name.className = "muted";
  return name;
}

function heard({ word, confidence }) {
  $("nothing").hidden = true;
  $("word").textContent = word;
  // The mark of a new word starts again.
  $("word").classList.remove("quiet", "new");
  void $("word").offsetWidth;
  $("word").classList.add("new");
  const item = document.createElement("li"), time = document.createElement("time"), how = document.createElement("span");
  time.textContent = new Date().toLocaleTimeString();
  how.textContent = percent(confidence);
  how.className = time.className = "muted";
  item.append(Object.assign(document.createElement("strong"), { textContent: word }), " ", how, " ", time);
  $("heard").prepend(item);
  while ($("heard").children.length > KEPT) $("heard").lastElementChild.remove();
}

const percent = value => `${Math.round(100 * value)} %`;

// Models and teaching.

function show(message) {
  const before = state;
  state = message;
  $("version").textContent = state.version;
  $("folder").textContent = state.folder;
  recorder.show(state);
  const { base, taught } = state.models;
  $("base").textContent = base.name;
  $("models").hidden = $("model").hidden = !taught;
  $("downloads").hidden = !taught && !state.words.length;
  if (taught) {
    const added = taught.report.map(({ word }) => word).join(", ");
    $("taught").textContent = `${base.name} with ${added || "your words"}`;
  }
  const finished = before && state.lessons !== before.lessons;
  // What was just taught is tried at once, on the page where it was asked for.
  if (taught && (!before || (finished && (asked || chosen === "taught")))) choose("taught");
  else knows();
  teaching(finished && asked);
  asked &&= !finished;
}

function choose(name) {
  chosen = name;
  document.querySelector(`input[name=model][value=${name}]`).checked = true;
  if (microphone.on) begin();
  knows();
}

function knows() {
  const { words } = state.models[chosen] ?? state.models.base;
  $("known").textContent = `It knows ${words.slice(0, 40).join(", ")}${words.length > 40 ? " and more" : ""}.`;
}

document.querySelectorAll("input[name=model]").forEach(input =>
  input.addEventListener("change", () => choose(input.value)));

function teaching(finished) {
  const { fewest } = state.guidance;
  const few = state.words.filter(({ takes }) => takes.length < fewest);
  const running = state.teaching !== null;
  $("ready").textContent = running ? "" : !state.words.length ? "Record a word first."
    : few.length ? few.map(({ word, takes }) => `“${word}” needs ${fewest} recordings at least, and has ${takes.length}.`).join(" ")
    : `Ready to teach ${quoted(state.words)}.`;
  $("teach").disabled = running || !state.words.length || few.length > 0;
  $("cancel").hidden = $("progress").hidden = !running;
  if (running && lesson !== state.teaching) $("step").textContent = `${state.teaching} …`;
  lesson = state.teaching;
  if (finished) $("ready").textContent = `Done. Now say ${quoted(state.models.taught.report)}.`;
  $("trouble").textContent = state.trouble;
  $("report").replaceChildren(...report());
}

const quoted = entries => entries.map(({ word }) => `“${word}”`).join(", ");

function report() {
  const rows = state.models.taught?.report ?? [];
  if (!rows.length) return [];
  const table = document.createElement("table"), body = table.createTBody();
  table.createCaption().textContent = "What was taught, and what to expect";
  const header = table.createTHead().insertRow();
  for (const title of ["word", "recordings", "heard, of held-out ones", "false alarms an hour"]) {
    header.append(Object.assign(document.createElement("th"), { textContent: title, scope: "col" }));
  }
  for (const { word, takes, held_out, heard: right, alarms } of rows) {
    const row = body.insertRow();
    row.append(Object.assign(document.createElement("th"), { textContent: word, scope: "row" }));
    for (const value of [takes ?? "–", held_out ? `${right} of ${held_out}` : "–", alarms === null ? "–" : alarms.toFixed(1)]) {
      row.insertCell().textContent = value;
    }
  }
  const warnings = document.createElement("ul");
  warnings.append(...state.warnings.map(text => Object.assign(document.createElement("li"), { textContent: text })));
  warnings.className = "muted";
  const scrolling = document.createElement("div");
  scrolling.className = "table";
  scrolling.append(table);
  return state.warnings.length ? [scrolling, warnings] : [scrolling];
}

for (const [button, method] of [["teach", "POST"], ["cancel", "DELETE"]]) {
  $(button).addEventListener("click", () => {
    asked = method === "POST";
    request("lesson", { method }).catch(error => notice(error.message));
  });
}

connect();
