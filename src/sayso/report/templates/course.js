"use strict";
// Shows the network after the epoch chosen with the slider, at first before the training. Without this script the page
// shows it after the last epoch.
{
  const PAUSE = 700;
  const get = id => document.getElementById(id);
  const course = JSON.parse(get("course").textContent);
  const slider = get("epoch"), button = get("play");
  const move = (parent, places, x, y) => [...get(parent).children].forEach((element, i) => {
    element.setAttribute(x, places[i][0]);
    element.setAttribute(y, places[i][1]);
    element.setAttribute("opacity", places[i][2] === false ? 0 : 1);
  });
  let timer = null;

  const show = () => {
    const now = course[+slider.value];
    slider.setAttribute("aria-valuetext", `epoch ${now.epoch}`);
    get("number").textContent = now.epoch;
    [get("training-accuracy").textContent, get("validation-accuracy").textContent] = now.accuracy;
    [get("training-loss").textContent, get("validation-loss").textContent] = now.loss;
    get("width").textContent = now.width;
    get("mark").style.left = `${now.mark}%`;
    [get("here").style.left, get("here").style.top] = now.marker.map(place => `${place}%`);
    get("regions").setAttribute("href", now.regions);
    move("points", now.points, "cx", "cy");
    move("names", now.names, "x", "y");
    get("weights").querySelectorAll("img").forEach((picture, i) => { picture.src = now.weights[i]; });
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "play";
    button.setAttribute("aria-pressed", "false");
  };
  const advance = () => {
    slider.value = +slider.value + 1;
    show();
    if (slider.value === slider.max) stop();
  };

  slider.addEventListener("input", () => { stop(); show(); });
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (slider.value === slider.max) { slider.value = 0; show(); }
    button.textContent = "pause";
    button.setAttribute("aria-pressed", "true");
    timer = setInterval(advance, PAUSE);
  });
  document.querySelector(".control").hidden = false;
  slider.value = 0;
  show();
}
