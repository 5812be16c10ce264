// Recording: the countdown, the check by the server, and the list of what was recorded.

const $ = id => document.getElementById(id);
const wait = seconds => new Promise(resolve => setTimeout(resolve, 1000 * seconds));

export class Recorder {
  // ready() turns the microphone on if need be; request(path, options) asks the server, and throws what it refuses.
  constructor(microphone, ready, request) {
    Object.assign(this, { microphone, ready, request });
    this.state = { words: [], noises: [], models: {} };
    this.series = false;
    this.last = null;
    this.player = new Audio();
    $("recorder").addEventListener("submit", event => {
      event.preventDefault();
      this.series ? this.stop() : this.run(() => this.word());
    });
    $("noise").addEventListener("click", () => this.run(() => this.noise()));
    $("again").addEventListener("click", () => this.run(() => this.word()));
    $("keep").addEventListener("click", () => this.run(() => this.send(true)));
    $("hear").addEventListener("click", () => this.hear());
    $("name").addEventListener("input", () => this.hint());
    $("speaker").addEventListener("change", () => this.remember());
  }

  show(state) {
    this.state = state;
    if (!$("speaker").value) $("speaker").value = this.remembered() ?? state.speaker;
    $("count").textContent = state.guidance.count;
    const entries = [...state.words, ...state.noises.map(noise => ({ ...noise, word: "background noise" }))];
    const open = new Set([...document.querySelectorAll("#takes details[open]")].map(details => details.dataset.word));
    // Focus stays where it was: on the same button, or on the list if its recording is gone.
    const focused = document.activeElement?.closest("#takes button")?.id;
    $("takes").replaceChildren(...entries.map(entry => this.listed(entry, open.has(entry.word))));
    if (focused) ($(focused) ?? document.querySelector("#takes details[open] summary") ?? $("name")).focus();
    this.hint();
  }

  listed({ word, takes }, open) {
    const details = document.createElement("details");
    details.dataset.word = word;
    details.open = open;
    const summary = document.createElement("summary");
    summary.append(word, Object.assign(document.createElement("span"), { className: "muted", textContent: ` ${takes.length}` }));
    if (takes.some(take => take.doubtful)) summary.append(Object.assign(document.createElement("span"), { className: "fault", textContent: " listen to these" }));
    const list = document.createElement("ul");
    takes.forEach((take, place) => {
      const item = document.createElement("li"), who = document.createElement("span");
      who.textContent = `${place + 1}${take.speaker ? ` · ${take.speaker}` : ""}${take.doubtful ? " · sounds like another word" : ""}`;
      if (take.doubtful) who.className = "fault";
      item.append(who, this.button("Play", word, place, `play-${take.id}`, () => this.play(`takes/${take.id}`)),
        this.button("Delete", word, place, `delete-${take.id}`, () => this.remove(take.id)));
      list.append(item);
    });
    details.append(summary, list);
    return details;
  }

  button(text, word, place, id, action) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text, id });
    button.setAttribute("aria-label", `${text} ${word}, recording ${place + 1}`);
    button.addEventListener("click", action);
    return button;
  }

  // How many recordings of the word there are, by the one who speaks now.
  taken() {
    const word = this.state.words.find(entry => same(entry.word, $("name").value));
    return word ? word.takes.filter(take => take.speaker === speaker()).length : 0;
  }

  hint() {
    const name = $("name").value.trim(), base = this.state.models.base;
    const known = base?.words.some(word => same(word, name));
    const count = this.taken();
    $("hint").textContent = known
      ? `${base.name} knows this word already; it will be adapted to your voice.`
      : count ? `${count} recorded by ${speaker()}.` : "";
  }

  // Do one thing at a time, and say what goes wrong.
  async run(action) {
    if (this.busy) return;
    this.busy = true;
    $("doubt").hidden = true;
    $("noise").disabled = true;
    try {
      await this.ready();
      await action();
    } catch (error) {
      say(error.message, true);
      $("doubt").hidden = !this.last;
    } finally {
      this.busy = this.series = false;
      $("start").textContent = "Record";
      $("noise").disabled = false;
    }
  }

  async word() {
    const { count, take, phrase } = this.state.guidance;
    this.series = true;
    $("start").textContent = "Stop";
    do {
      await this.countdown();
      if (!this.series) return say("Stopped.");
      const name = $("name").value.trim();
      say(`Say “${name}”`, false, true);
      const seconds = /[-_\s]/.test(name) ? phrase : take;
      this.last = { samples: await this.microphone.record(seconds), rate: this.microphone.rate };
      if (!await this.send(false)) return;
    } while (this.series && $("series").checked && this.taken() < count);
  }

  async countdown() {
    for (const number of [3, 2, 1]) {
      if (!this.series) return;
      say(`${number} …`, false, true);
      await wait(this.state.guidance.step);
    }
  }

  stop() {
    this.series = false;
  }

  async noise() {
    const { noise } = this.state.guidance;
    const ends = performance.now() + 1000 * noise;
    const tell = () => say(`Please be quiet for ${Math.max(1, Math.round((ends - performance.now()) / 1000))} seconds.`);
    tell();
    const telling = setInterval(tell, 5000);
    const samples = await this.microphone.record(noise).finally(() => clearInterval(telling));
    await this.request(`takes?${new URLSearchParams({ speaker: speaker(), rate: this.microphone.rate })}`, { method: "POST", body: samples });
    say("The noise is saved.");
  }

  // Send the last recording, and return whether it was saved; what is not sent is kept for another try.
  async send(keep) {
    const { samples, rate } = this.last;
    const query = new URLSearchParams({ word: $("name").value, speaker: speaker(), rate, keep: keep ? "yes" : "no" });
    const { saved, problems, word, seconds } = await this.request(`takes?${query}`, { method: "POST", body: samples });
    if (saved) {
      this.last = null;
      // The list may come later than the answer.
      await this.settled();
      say(`“${word}” is saved, ${seconds.toLocaleString()} s${problems.length ? "" : ", and good"}: ${this.taken()} of ${this.state.guidance.count}.`);
      return true;
    }
    say(`Not saved: ${problems.join("; ")}.`, true);
    $("doubt").hidden = false;
    $("again").focus();
    return false;
  }

  settled() {
    return new Promise(resolve => {
      const shown = this.state, started = performance.now();
      const look = () => this.state !== shown || performance.now() - started > 2000 ? resolve() : setTimeout(look, 20);
      look();
    });
  }

  hear() {
    const { samples, rate } = this.last;
    const context = new AudioContext();
    const buffer = context.createBuffer(1, samples.length, rate);
    buffer.copyToChannel(Float32Array.from(samples, sample => sample / 32768), 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.onended = () => context.close();
    source.connect(context.destination);
    source.start();
  }

  play(address) {
    this.player.src = address;
    this.player.play().catch(error => say(`It cannot be played: ${error.message}`, true));
  }

  async remove(id) {
    try {
      await this.request(`takes/${id}`, { method: "DELETE" });
      say("The recording is deleted.");
    } catch (error) {
      say(error.message, true);
    }
  }

  // Some browsers forbid pages to store anything.
  remember() {
    this.hint();
    try { localStorage.setItem("speaker", $("speaker").value); } catch { /* The name is asked for again. */ }
  }

  remembered() {
    try { return localStorage.getItem("speaker"); } catch { return null; }
  }
}

// Names of speakers have no spaces.
const speaker = () => $("speaker").value.trim().split(/\s+/).join("-").normalize();

const same = (one, other) => one.normalize().toLowerCase() === other.trim().split(/\s+/).join(" ").normalize().toLowerCase();

function say(text, wrong = false, large = false) {
  $("prompt").textContent = text;
  $("prompt").className = `prompt ${wrong ? "fault" : ""} ${large ? "large" : ""}`;
}
