// The server's time, and everything on the page that moves with it. Countdowns are computed from the due time each time, never counted down.
import { showInTab } from "./tab.js";

const offsets = []; // Server time minus ours, of the last few messages; the smallest delay is the truest.
let minutesAhead = 0;
let fast = null; // In the lab the server's time may run faster: what it was when we last heard of it, and by how much it is faster.

export const serverNow = () => fast
  ? fast.now + (Date.now() - fast.heard) * fast.speed
  : Date.now() + (offsets.length ? Math.max(...offsets) : 0);

export function heardAt(serverMs, speed = 1) {
  fast = speed === 1 ? null : { now: serverMs, speed, heard: Date.now() };
  // A clock that ran fast, or was skipped ahead, left the old offsets behind.
  if (fast || Math.abs(serverMs - serverNow()) > 1500) offsets.length = 0;
  if (fast) return;
  offsets.push(serverMs - Date.now());
  if (offsets.length > 5) offsets.shift();
}

// As the server writes it; see src/page/when.rs.
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60), hours = Math.floor(seconds / 3600), days = Math.floor(seconds / 86400);
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} m`;
  return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
}

// Where on the squeezed line: now is 0 %, a day is 100 %.
const place = (ms) => Math.min(100, 100 * Math.log(1 + Math.max(0, ms) / 5000) / Math.log(1 + 86400 / 5));

const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };

function phase(minute) {
  if (minute >= 360 && minute < 540) return "dawn";
  if (minute >= 540 && minute < 1050) return "day";
  return minute >= 1050 && minute < 1230 ? "dusk" : "night";
}

export function tick() {
  const now = serverNow();
  for (const node of document.querySelectorAll("[data-due]")) {
    const left = Number(node.dataset.due) - now;
    if (node.classList.contains("countdown")) setText(node, countdown(left));
    else node.style.setProperty("--x", `${place(left).toFixed(2)}%`);
  }
  for (const bot of document.querySelectorAll(".bot[data-seen]")) {
    const title = `${bot.dataset.worker}, last heartbeat ${Math.max(0, Math.round((now - Number(bot.dataset.seen)) / 1000))} s ago`;
    if (bot.title !== title) bot.title = title;
  }
  const local = new Date(now + minutesAhead * 60000);
  const wall = document.getElementById("wall-clock");
  if (wall) setText(wall, local.toISOString().slice(11, 19));
  const minute = local.getUTCHours() * 60 + local.getUTCMinutes();
  const stage = document.getElementById("stage");
  if (stage.dataset.phase !== phase(minute)) stage.dataset.phase = phase(minute);
  stage.querySelector(".hour-hand").setAttribute("transform", `rotate(${(minute % 720) / 2} 378 132)`);
  stage.querySelector(".minute-hand").setAttribute("transform", `rotate(${(minute % 60) * 6} 378 132)`);
  const wakes = Number(stage.dataset.wakes || 0);
  showInTab(document.querySelector("main").dataset.pet, stage.querySelector(".pet").dataset.mood, wakes);
}

export function startClock(home) {
  heardAt(Number(home.dataset.now), Number(home.dataset.speed ?? 1));
  minutesAhead = -new Date().getTimezoneOffset();
  tick();
  let timer = setInterval(tick, 250);
  document.addEventListener("visibilitychange", () => {
    clearInterval(timer);
    document.documentElement.toggleAttribute("data-paused", document.hidden);
    if (!document.hidden) { tick(); timer = setInterval(tick, 250); }
  });
}
