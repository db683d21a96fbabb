// The pet itself: moods, reactions, pats, where it looks. All of it is picture; the server decides how the pet is.
import { calm, still } from "./calm.js";

const REACTION = { eating: 2200, playing: 2200, waking: 1800, patted: 1500, refuse: 1000 };
const BY_CHANGE = { fed: "eating", played: "playing", woke: "waking", hatched: "waking", grew: "waking" };
const WORDS = {
  eating: ["Nom nom nom!", "Yum!"],
  full: ["I am full, but thank you."],
  playing: ["Again! Again!", "Catch!"],
  waking: ["Good morning!"],
  wokeLate: ["What a nap!"],
  early: ["Hm? Already?"],
  hatched: ["Hello, world!"],
  grew: ["Look how big I am!"],
  patted: ["Hehe!", "That is nice."],
  knocked: ["Tap, tap!", "I can hear you!", "Almost there…"],
  dreaming: ["Mmm…"],
  refuse: ["Not now…"],
  idle: ["Hi there!", "That nap was lovely!", "What is that robot doing?"],
};
const VOICE = { cat: "Purr…", bunny: "Sniff, sniff!", bear: "Hmm, honey…", axolotl: "Blub, blub!", crab: "Click, clack!" };
const OUTSIDE = { dawn: "The sun is up!", day: "Nice weather in here.", dusk: "What a sunset!", night: "Look, stars!" };
let stage, pet, bubble, actTimer, sayTimer, resting = "";

export function startPet() {
  stage = document.getElementById("stage");
  pet = stage.querySelector(".pet");
  bubble = document.getElementById("bubble");
  resting = bubble.textContent;
  document.getElementById("pat").addEventListener("click", pat);
  if (matchMedia("(hover: hover)").matches) document.addEventListener("pointermove", gaze, { passive: true });
  setInterval(() => {
    if (document.hidden || pet.dataset.mood !== "happy" || pet.dataset.act) return;
    say(pick([...WORDS.idle, OUTSIDE[stage.dataset.phase], voice()]), 3000);
    tilt();
  }, 20000);
  sayTimer = setTimeout(settle, 4000);
  setTimeout(tilt, 1200);
}

const pick = (words) => words[Math.floor(Math.random() * words.length)];
const voice = () => VOICE[pet.dataset.species];

// Shows a small part of the drawing's life for a while; `pet.css` knows how.
function briefly(what, ms) {
  pet.dataset[what] = "";
  setTimeout(() => delete pet.dataset[what], ms);
}

// A happy pet puts its head to one side, as one does who is curious.
function tilt() {
  if (pet.dataset.mood === "happy" && !pet.dataset.act) briefly("curious", 1800);
}

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
  if (change.what === "woke" && ["dusk", "night"].includes(stage.dataset.phase)) return "wokeLate";
  return ["hatched", "grew"].includes(change.what) ? change.what : act;
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

// Whoever is patted answers: an egg rocks, and a sleeper smiles and sleeps on.
function pat() {
  if (pet.dataset.hatching !== undefined) return;
  if (pet.dataset.mood === "egg") { briefly("knocked", 600); return say(pick(WORDS.knocked), 2000); }
  if (pet.dataset.mood === "asleep" && !pet.dataset.act) { briefly("dreaming", 1500); return say(pick([...WORDS.dreaming, voice()]), 2000); }
  react("patted", pick([...WORDS.patted, voice()]));
}

// The eyes follow the pointer, by three units at most.
function gaze(event) {
  if (calm()) return;
  const box = pet.getBoundingClientRect();
  const x = (event.clientX - box.left - box.width / 2) / 300, y = (event.clientY - box.top - box.height * 0.6) / 300;
  const limit = (value) => Math.max(-3, Math.min(3, value * 3)).toFixed(1);
  pet.querySelector(".e-open").style.transform = `translate(${limit(x)}px, ${limit(y)}px)`;
}
