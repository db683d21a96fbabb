// Three hints for a first visit, one at a time, each gone once it is done. No tour.

const HINTS = [
  { name: "egg", at: "[data-row=hatch_egg] .row-name", words: "Your first job: watch it hatch", done: () => !document.querySelector("[data-row=hatch_egg]") },
  { name: "sleep", at: "[data-kind=sleep]:not([aria-disabled])", words: "Press Sleep: a job will wake your pet", done: () => Boolean(document.querySelector("[data-row=wake_pet]")) },
  { name: "job", at: ".row-name[data-select]", words: "Press a job to see the line that made it", done: () => Boolean(document.querySelector("#code[data-chosen]")) },
];
const seen = () => new Set((localStorage.getItem("hints") ?? "").split(" "));
let shown = null;

export function startHints() {
  document.addEventListener("drawn", look);
  document.addEventListener("click", () => setTimeout(look, 0));
  look();
}

function look() {
  const known = seen();
  if (shown?.done()) { known.add(shown.name); localStorage.setItem("hints", [...known].join(" ").trim()); hide(); }
  const egg = document.querySelector(".pet[data-stage=egg]");
  const next = HINTS.find(({ name, at }) => !known.has(name) && document.querySelector(at) && (name === "egg") === Boolean(egg));
  if (next !== shown || (next && !document.querySelector(next.at).hasAttribute("data-hinted"))) { hide(); if (next) show(next); }
}

// The words stand at the foot of the room: nothing on the page moves for them.
function show(hint) {
  shown = hint;
  const line = document.getElementById("hint");
  line.textContent = hint.words;
  line.hidden = false;
  document.querySelector(hint.at).setAttribute("data-hinted", "");
}

function hide() {
  shown = null;
  document.getElementById("hint").hidden = true;
  for (const node of document.querySelectorAll("[data-hinted]")) node.removeAttribute("data-hinted");
}
