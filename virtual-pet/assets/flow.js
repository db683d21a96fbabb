// Lets tokens fly from place to place. Every flight stands for a step that has happened; the page itself is right at once, only
// the picture takes its time, and it never lags more than LATE behind.
import { still } from "./calm.js";

const FLIGHT = 620, QUEUED = 300, TRAY = 400, LATE = 2200;
const FOLLOWED = 12; // So many moves a second can be followed.
const FLIES = ["job.finished", "job.scheduled", "job.retrying", "job.started", "job.failed"];
const flights = new Set();

const tokenOf = (job) => document.querySelector(`.flow .token[data-key="${CSS.escape(job)}"]`);
const box = (node) => node?.getBoundingClientRect();
const shown = (rect) => rect && rect.width > 0 ? rect : null;

export function startFlow() {
  choose(null);
  document.addEventListener("click", (event) => {
    const row = event.target.closest("[data-select], .flow .token[data-key]");
    if (row) choose(row.dataset.select ?? row.dataset.key);
  });
  document.addEventListener("drawn", () => choose(chosen));
}

// Which job's code is on show; null is the server's choice.
let chosen = null;
function choose(job) {
  const listings = document.getElementById("code");
  const listing = job && listings.querySelector(`[data-listing="${CSS.escape(job)}"]`);
  chosen = listing ? job : null;
  listings.toggleAttribute("data-chosen", Boolean(listing));
  for (const one of listings.querySelectorAll("[data-listing]")) one.toggleAttribute("data-shown", one === listing);
  for (const row of document.querySelectorAll("[data-select]")) {
    if (job && row.dataset.select === job) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

// Draws the new state, and then lets each job that moved take its way there. Answers a promise of the last landing, if anything flies.
export function show(steps, untold, draw) {
  const moved = new Map();
  for (const step of steps) if (step.kind.startsWith("job.") && step.job) moved.set(step.job, [...(moved.get(step.job) ?? []), step]);
  if (still()) { draw(); return null; }
  if (tooFast([...moved.values()].filter((its) => FLIES.includes(its.at(-1).kind)).length + untold)) skipAll();
  else if (moved.size > 0) return letFly(moved, draw);
  draw();
  return null;
}

function letFly(moved, draw) {
  const from = new Map();
  for (const [job, its] of moved) from.set(job, start(job, its));
  draw();
  const landings = [];
  for (const [job, its] of moved) {
    const stops = way(its, from.get(job));
    const target = tokenOf(job);
    if (FLIES.includes(its.at(-1).kind) && target) landings.push(fly(job, target, stops));
    for (const step of its) light(step);
  }
  return landings.length ? Promise.all(landings) : null;
}

// Whether more has moved within a second than can be followed; while that is so the page says it.
let lately = [], calmAgain;
function tooFast(moves) {
  const now = performance.now();
  lately = [...lately.filter((at) => at > now - 1000), ...Array(moves).fill(now)];
  if (lately.length <= FOLLOWED) return false;
  const note = document.getElementById("fast-forward");
  note.hidden = false;
  clearTimeout(calmAgain);
  calmAgain = setTimeout(() => { note.hidden = true; }, 1000);
  return true;
}

// Where a job's token is before the new state is drawn: in its old place, or at the button that was pressed.
function start(job, steps) {
  const old = shown(box(tokenOf(job)));
  if (old) return old;
  if (steps[0].kind === "job.scheduled" && steps[0].task === "wake_pet") return shown(box(document.querySelector("[data-kind=sleep] .icon, [data-kind=wake] .icon")));
  return null;
}

function way(steps, from) {
  const stops = from ? [{ rect: from, stay: 0 }] : [];
  for (const step of steps) {
    if (step.kind === "job.queued") stops.push({ rect: box(document.querySelector("#queue .token:last-of-type")), stay: QUEUED });
    if (step.kind === "job.started") {
      const bot = document.querySelector(`.bot[data-worker="${CSS.escape(step.worker ?? "")}"]`);
      if (bot) stops.push({ rect: box(bot.querySelector(".robot .chest")), stay: TRAY, bot });
    }
  }
  return stops.filter((stop) => shown(stop.rect));
}

async function fly(job, target, stops) {
  if (stops.length === 0) return;
  const flier = target.cloneNode(true);
  flier.removeAttribute("data-key");
  flier.setAttribute("aria-hidden", "true");
  flier.classList.add("flier");
  document.body.append(flier);
  target.setAttribute("data-awaited", "");
  const flight = { flier, over: false, began: performance.now() };
  flights.add(flight);
  try {
    let here = stops[0].rect;
    flier.style.transform = at(here, flier);
    const legs = [...stops.slice(1), { rect: null, stay: 0 }];
    for (const [n, { rect, stay, bot }] of legs.entries()) {
      // What a busy machine took for the legs before is taken off those to come.
      const left = flight.began + LATE - performance.now();
      const duration = Math.min(FLIGHT, left / (legs.length - n) - TRAY);
      const next = rect ?? shown(box(tokenOf(job))); // It may have gone on by now, or off the page.
      if (flight.over || !next) break;
      await glide(flight, here, next, duration);
      here = next;
      if (bot) bot.setAttribute("data-busy", "");
      if (stay && !flight.over) await flier.animate([{ opacity: 1 }, { opacity: 1 }], stay).finished.catch(() => {});
      if (bot) bot.removeAttribute("data-busy");
    }
  } finally {
    flights.delete(flight);
    flier.remove();
    tokenOf(job)?.removeAttribute("data-awaited");
    target.removeAttribute("data-awaited");
  }
}

const at = (rect, flier) => `translate(${rect.left + rect.width / 2 - flier.offsetWidth / 2}px, ${rect.top + rect.height / 2 - flier.offsetHeight / 2}px)`;

function glide({ flier }, from, to, duration) {
  const middle = { left: (from.left + to.left) / 2, top: (from.top + to.top) / 2 - 26, width: to.width, height: to.height };
  const frames = [
    { transform: at(from, flier) },
    { transform: `${at(middle, flier)} scale(1.18)` },
    { transform: at(to, flier) },
  ];
  return flier.animate(frames, { duration: Math.max(120, duration), easing: "cubic-bezier(.5, 0, .15, 1)", fill: "forwards" }).finished.catch(() => {});
}

// A press of the player's ends all flights: what it does must show at once.
export function skipAll() {
  for (const flight of flights) {
    flight.over = true;
    for (const animation of flight.flier.getAnimations()) animation.finish();
  }
}

const RECUR = ["increase_hunger", "chime"]; // Their jobs come from a slot, without a time of their own.

function light({ kind, due, task }) {
  const came = due ? "due" : RECUR.includes(task) ? "every" : null;
  const name = { "job.queued": came, "job.retrying": "retry" }[kind];
  const link = name && document.querySelector(`[data-link=${name}]`);
  if (!link) return;
  link.setAttribute("data-lit", "");
  setTimeout(() => link.removeAttribute("data-lit"), 900);
}
