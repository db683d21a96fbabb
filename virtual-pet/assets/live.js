// Keeps the page up to date. One stream for each pet in a browser: the tab that holds the lock listens and tells the others.
import { heardAt, tick } from "./clock.js";
import { show, skipAll } from "./flow.js";
import { morph, parse } from "./morph.js";
import { look } from "./pet.js";
import { keep } from "./settings.js";
import { chime } from "./sound.js";
import { hunger } from "./gauges.js";
import { tellOf } from "./tell.js";

const SILENCE = 15000; // The server beats every 5 s.
const FIRST_WAIT = 500, LONGEST_WAIT = 30000;
const SPEAK_EVERY = 3000;

const state = { boot: "", source: null, wait: FIRST_WAIT, retryAt: 0, heard: 0, lastId: "", leads: false };
const sections = new Map(); // The latest HTML of each section, for tabs that join.
const held = new Map(); // Sections that wait for their job's token to land.
let home, channel, timer, lastGood = new Date();

const PET_SIDE = new Set(["plate", "gauges", "actions", "reason", "next", "growth", "chip"]);

export function startLive(main) {
  home = main;
  const pet = home.dataset.id;
  document.getElementById("retry").addEventListener("click", connect);
  document.querySelector("#restarted button").addEventListener("click", (event) => { event.target.closest("p").hidden = true; });
  addEventListener("online", connect);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && state.leads && !state.source) connect(); });
  addEventListener("pagehide", remember);
  setInterval(watch, 1000);
  channel = "BroadcastChannel" in self ? new BroadcastChannel(`pet-${pet}`) : null;
  if (channel) channel.onmessage = ({ data }) => hear(data);
  if (channel && navigator.locks) {
    navigator.locks.request(`pet-${pet}`, () => { lead(); return new Promise(() => {}); });
    channel.postMessage({ name: "hello" });
  } else lead();
}

function lead() { state.leads = true; connect(); }

function connect() {
  if (!state.leads) return;
  clearTimeout(timer);
  state.retryAt = 0;
  state.source?.close();
  const query = `?${new URLSearchParams({ ...(state.lastId && { after: state.lastId }), ...(state.boot && { boot: state.boot }) })}`;
  const source = new EventSource(home.dataset.events + query);
  state.source = source;
  state.heard = Date.now();
  for (const name of ["patch", "beat", "moved", "gone", "bye"]) {
    source.addEventListener(name, (event) => {
      if (event.lastEventId) state.lastId = event.lastEventId;
      const message = { name, data: JSON.parse(event.data), id: state.lastId };
      channel?.postMessage(message);
      hear(message);
    });
  }
  // The browser itself gives up for good on a 503, which a proxy sends while the server restarts.
  source.onerror = () => lose();
}

function lose(wait) {
  state.source?.close();
  state.source = null;
  const pause = wait ?? state.wait * (0.7 + Math.random() * 0.6);
  state.wait = Math.min(state.wait * 2, LONGEST_WAIT);
  state.retryAt = Date.now() + pause;
  clearTimeout(timer);
  timer = setTimeout(connect, pause);
  tell("reconnecting");
}

function hear({ name, data, id }) {
  if (name === "hello") {
    if (state.leads && sections.size) channel.postMessage({ name: "patch", data: { sections: Object.fromEntries(sections), steps: [] }, id: state.lastId });
    return;
  }
  state.heard = Date.now();
  state.wait = FIRST_WAIT;
  if (id) state.lastId = id;
  if (data.boot) state.boot = data.boot;
  if (data.restarted) restarted(data.restarted);
  if (data.now) heardAt(data.now, data.speed);
  if (name === "patch") patch(data);
  if (name === "bye" && state.leads) return lose(data.retry_ms * (0.5 + Math.random()));
  if (name === "moved") { state.source?.close(); location.replace(`/pet/${encodeURIComponent(data.name)}`); return; }
  if (name === "gone" && "leaving" in home.dataset) return;
  if (name === "gone") { state.source?.close(); if (data.to) location.href = data.to; else location.reload(); return; }
  tell("live");
}

function patch({ sections: changed, look: looks, steps, untold = 0, said, learned }) {
  const hungerBefore = hunger(), wasFull = hungerBefore === 0;
  const cause = steps.findLast((step) => step.kind === "pet.changed" && step.job);
  const pressed = steps.some((step) => step.kind === "pet.changed" && !step.job);
  if (pressed) { skipAll(); release(); }
  for (const [id, html] of Object.entries(changed)) sections.set(id, html);
  const later = {};
  const landed = show(steps, untold, () => {
    for (const [id, html] of Object.entries(changed)) {
      if (cause && !pressed && PET_SIDE.has(id) && !document.hidden) later[id] = html;
      else draw(id, html);
    }
  });
  if (cause && landed) {
    for (const [id, html] of Object.entries(later)) held.set(id, html);
    held.set("look", () => looks && look(looks, steps, wasFull));
    landed.then(release);
  } else {
    for (const [id, html] of Object.entries(later)) draw(id, html);
    if (looks) look(looks, steps, wasFull);
  }
  tick();
  if (said) speak(said, learned);
  for (const step of steps) chime(step);
  document.dispatchEvent(new Event("drawn"));
  tellOf(steps, home.dataset.pet, hunger(), hungerBefore);
}

function draw(id, html) {
  held.delete(id);
  const old = document.getElementById(id);
  if (old) morph(old, parse(html));
}

function release() {
  for (const [id, what] of [...held]) {
    held.delete(id);
    if (typeof what === "function") what(); else draw(id, what);
  }
  tick();
  document.dispatchEvent(new Event("drawn"));
}

// Stays until it is closed: it is the proof that nothing was lost.
function restarted(words) {
  const banner = document.getElementById("restarted");
  banner.querySelector("span").textContent = words;
  banner.hidden = false;
  speak(words);
}

// At most one sentence every three seconds; the newest wins, but nothing less talks over an urgent one.
let spoken = 0, next = null, pressing = false;
export function speak(sentence, urgent = false) {
  if (pressing && !urgent) return;
  pressing = urgent;
  clearTimeout(next);
  const wait = Math.max(0, spoken + SPEAK_EVERY - Date.now());
  next = setTimeout(() => { spoken = Date.now(); pressing = false; document.getElementById("sr").textContent = sentence; }, wait);
}

function tell(now) {
  const pill = document.getElementById("live");
  if (now === "live") { lastGood = new Date(); document.documentElement.dataset.ready = ""; }
  if (pill.dataset.state !== now) {
    pill.dataset.state = now;
    pill.querySelector(".word").textContent = { live: "Live", reconnecting: "Reconnecting", offline: "Offline" }[now];
    // At once, and not only at the next look: who reads what happened and leaves within a second is not to read it again.
    remember();
  }
  document.getElementById("lost").hidden = now === "live";
}

function watch() {
  const pill = document.getElementById("live").dataset.state;
  if (Date.now() - state.heard > SILENCE) state.leads && state.source ? lose() : tell("reconnecting");
  if (!navigator.onLine && pill === "reconnecting") tell("offline");
  if (pill === "live" || pill === "off") { if (!document.hidden) remember(); return; }
  const seconds = Math.max(0, Math.ceil((state.retryAt - Date.now()) / 1000));
  const words = `Connection lost. This is how things stood at ${lastGood.toTimeString().slice(0, 8)}. Trying again in ${seconds} s.`;
  document.querySelector("#lost span").textContent = words;
}

// For "while you were away": when we were here last, and what we knew.
function remember() {
  // A copy in the lab is nobody to come back to.
  if ("lab" in home.dataset || document.getElementById("live").dataset.state !== "live") return;
  keep("seen", `${home.dataset.id}~${state.lastId || 0}~${Date.now()}`);
}
