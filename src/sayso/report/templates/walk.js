"use strict";
// Steps through the stages of the page one at a time: the forward pass in blue, the backward pass in orange. Without this
// script the page shows all stages below each other.
{
  const PAUSE = 1600;
  const walk = document.getElementById("walk");
  const stages = [...document.querySelectorAll("[data-stage]")];
  const nodes = [...document.querySelectorAll(".diagram [data-is]")];
  const bar = document.getElementById("steps");
  const find = what => walk.querySelector(`[data-${what}]`);
  const button = name => bar.querySelector(`[data-do=${name}]`);
  let at = 0, timer = null;

  const show = place => {
    at = Math.max(0, Math.min(place, stages.length - 1));
    const stage = stages[at];
    bar.querySelector("[data-count]").textContent = `${at + 1} of ${stages.length}`;
    find("title").textContent = stage.dataset.stage;
    find("text").textContent = stage.querySelector("[data-note]").textContent;
    find("facts").replaceChildren(...[...stage.querySelectorAll("[data-fact]")].map(element => element.cloneNode(true)));
    // The copy has no identifiers; its references point to those of the original.
    const picture = stage.querySelector("img, svg").cloneNode(true);
    picture.querySelectorAll("[id]").forEach(element => element.removeAttribute("id"));
    find("picture").replaceChildren(picture);
    for (const node of nodes) {
      const current = node.dataset.is === stage.dataset.node;
      node.classList.toggle("back", current && "back" in stage.dataset);
      if (current) node.setAttribute("aria-current", "step"); else node.removeAttribute("aria-current");
    }
    button("back").disabled = at === 0;
    button("forward").disabled = at === stages.length - 1;
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button("play").textContent = "play";
    button("play").setAttribute("aria-pressed", "false");
  };
  const play = () => {
    if (timer) return stop();
    if (at === stages.length - 1) show(0);
    button("play").textContent = "pause";
    button("play").setAttribute("aria-pressed", "true");
    timer = setInterval(() => at === stages.length - 1 ? stop() : show(at + 1), PAUSE);
  };
  const step = by => {
    stop();
    show(at + by);
    const {top, bottom} = walk.getBoundingClientRect();
    if (bottom < innerHeight / 2 || top > innerHeight / 2) walk.scrollIntoView();
  };

  button("back").addEventListener("click", () => step(-1));
  button("forward").addEventListener("click", () => step(1));
  button("play").addEventListener("click", play);
  addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("audio, input, .table")) return;
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });
  walk.hidden = bar.hidden = false;
  show(0);
}
