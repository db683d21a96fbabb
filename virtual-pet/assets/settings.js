// Theme, sound, help, single keys. What the server needs for its next page is in a cookie, the rest in local storage.
import { actBy } from "./actions.js";
import { setSpeed } from "./lab.js";
import { isOn, toggleSound } from "./sound.js";

export const keep = (name, value) => {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax${secure}`;
};

// Minutes ahead of UTC: the server writes times as this browser's clocks show them.
export const rememberZone = () => keep("tz", -new Date().getTimezoneOffset());

const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function toggleTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  // A phone's bars, and the page for when there is no connection, follow.
  const [bar, ...others] = document.querySelectorAll("meta[name=theme-color]");
  for (const other of others) other.remove();
  bar.removeAttribute("media");
  bar.content = getComputedStyle(document.documentElement).backgroundColor;
  keep("theme", theme);
  navigator.serviceWorker?.controller?.postMessage("theme");
}

function sound() {
  const on = toggleSound();
  document.getElementById("sound")?.setAttribute("aria-pressed", String(on));
}

export function startSettings() {
  if (document.querySelector("[data-retry]")) setTimeout(() => location.reload(), 5000);
  const wire = (id, press) => {
    const button = document.getElementById(id);
    if (button) { button.hidden = false; button.addEventListener("click", press); }
    return button;
  };
  wire("theme", toggleTheme);
  wire("more-button", () => {});
  wire("sound", sound)?.setAttribute("aria-pressed", String(isOn()));
  const help = document.getElementById("help");
  for (const id of ["help-button", "explain"]) wire(id, () => help.showModal());
  const closeAway = wire("away-close", () => document.getElementById("away").remove());
  closeAway?.addEventListener("click", () => document.getElementById("panel").focus());
  const keysOn = document.getElementById("keys-on");
  if (!keysOn) return;
  keysOn.checked = localStorage.getItem("keys") !== "off";
  keysOn.addEventListener("change", () => localStorage.setItem("keys", keysOn.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (!keysOn.checked || event.ctrlKey || event.altKey || event.metaKey || help.open) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const act = KEYS[event.key.toLowerCase()];
    if (act) { event.preventDefault(); act(); }
  });
}

function neighbour(by) {
  const chips = [...document.querySelectorAll(".pet-chip")];
  const at = chips.findIndex((chip) => chip.getAttribute("aria-current"));
  const next = chips[(at + by + chips.length) % chips.length];
  if (next && chips.length > 1) location.href = next.href;
}

const KEYS = {
  f: () => actBy("feed"),
  p: () => actBy("play"),
  s: () => actBy(document.querySelector("form[data-action=wake]") ? "wake" : "sleep"),
  m: sound,
  t: toggleTheme,
  j: () => { const panel = document.getElementById("panel"); panel.scrollIntoView(); panel.focus({ preventScroll: true }); },
  1: () => setSpeed(1),
  2: () => setSpeed(60),
  3: () => setSpeed(600),
  "?": () => document.getElementById("help").showModal(),
  "[": () => neighbour(-1),
  "]": () => neighbour(1),
};
