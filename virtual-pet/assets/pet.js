// The pet itself: moods, reactions, pats, where it looks. All of it is picture; the server decides how the pet is.
import { calm, still } from "./calm.js";

const REACTION = { eating: 2200, playing: 2200, waking: 1800, patted: 1500, refuse: 1000 };
const BY_CHANGE = { fed: "eating", played: "playing", woke: "waking", hatched: "waking", grew: "playing" };
const WORDS = {
  eating: ["Nom nom nom!", "Yum!"],
  full: ["I am full, but thank you."],
  playing: ["Again! Again!", "Catch!"],
  waking: ["Good morning!"],
  early: ["Hm? Already?"],
  hatched: ["Hello, world!"],
  patted: ["Hehe!", "That is nice."],
  refuse: ["Not now…"],
  idle: ["Hi there!", "That nap was lovely!", "What is that robot doing?", "Nice weather in here."],
};
let stage, pet, bubble, actTimer, sayTimer, resting = "";

export function startPet() {
  stage = document.getElementById("stage");
  pet = stage.querySelector(".pet");
  bubble = document.getElementById("bubble");
  resting = bubble.textContent;
  document.getElementById("pat").addEventListener("click", pat);
  if (matchMedia("(hover: hover)").matches) document.addEventListener("pointermove", gaze, { passive: true });
  setInterval(() => {
    if (!document.hidden && pet.dataset.mood === "happy" && !pet.dataset.act) say(pick(WORDS.idle), 3000);
  }, 20000);
  sayTimer = setTimeout(settle, 4000);
}

const pick = (words) => words[Math.floor(Math.random() * words.length)];

// What the server says of the looks, and what happened to cause it; a pet that was full before says so.
export function look(looks, steps, wasFull) {
  const hatches = pet.dataset.stage === "egg" && looks.stage !== "egg" && !still();
  pet.dataset.mood = looks.mood;
  pet.dataset.stage = looks.stage;
  pet.setAttribute("aria-label", looks.label);
  stage.dataset.asleep = looks.asleep;
  stage.dataset.wakes = looks.wakes ?? "";
  const change = steps.findLast((step) => step.kind === "pet.changed" && step.what);
  const act = BY_CHANGE[change?.what];
  if (resting !== looks.says || !act) resting = looks.says;
  if (hatches) return hatch(() => react("waking", pick(WORDS.hatched)));
  if (act) react(act, pick(WORDS[wordsFor(change, act, wasFull)] ?? WORDS.playing));
  else if (change) { delete pet.dataset.act; say(looks.says, 4000); }
}

// Three cracks, and the shell is gone.
function hatch(then) {
  pet.dataset.hatching = "";
  setTimeout(() => { delete pet.dataset.hatching; then(); }, 1200);
}

function wordsFor(change, act, wasFull) {
  if (change.what === "fed" && wasFull) return "full";
  if (change.what === "woke" && !change.job) return "early";
  return change.what === "hatched" ? "hatched" : act;
}

export function react(act, words) {
  clearTimeout(actTimer);
  pet.dataset.act = act;
  actTimer = setTimeout(() => delete pet.dataset.act, REACTION[act]);
  if (words) say(words, 3000);
}

export function say(words, ms) {
  clearTimeout(sayTimer);
  bubble.textContent = words;
  delete bubble.dataset.hidden;
  sayTimer = setTimeout(settle, ms);
}

// Content pets are quiet; needs stay in words.
function settle() {
  if (pet.dataset.mood === "happy") bubble.dataset.hidden = "";
  else bubble.textContent = resting;
}

function pat() {
  if (pet.dataset.mood === "asleep" || pet.dataset.mood === "egg") return;
  react("patted", pick(WORDS.patted));
}

// The eyes follow the pointer, by three units at most.
function gaze(event) {
  if (calm()) return;
  const box = pet.getBoundingClientRect();
  const x = (event.clientX - box.left - box.width / 2) / 300, y = (event.clientY - box.top - box.height * 0.6) / 300;
  const limit = (value) => Math.max(-3, Math.min(3, value * 3)).toFixed(1);
  pet.querySelector(".e-open").style.transform = `translate(${limit(x)}px, ${limit(y)}px)`;
}
