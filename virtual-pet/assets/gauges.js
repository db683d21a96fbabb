// The gauges: what an action would do to them, shown before it is done; and what has changed, floating up.
import { still } from "./calm.js";

const EFFECTS = { feed: { hunger: -5 }, play: { hunger: 1, energy: -2 }, sleep: { energy: 5 } };
const gauges = () => document.querySelectorAll(".gauge");
const valueOf = (gauge) => Number(gauge.querySelector("[role=meter]").getAttribute("aria-valuenow"));
let values = {};

export function startGauges() {
  for (const gauge of gauges()) values[gauge.dataset.kind] = valueOf(gauge);
  for (const type of ["pointerover", "focusin"]) document.addEventListener(type, preview);
  for (const type of ["pointerout", "focusout"]) document.addEventListener(type, () => mark({}));
  document.addEventListener("drawn", changed);
}

export const hunger = () => values.hunger;

function preview(event) {
  const form = event.target.closest?.("form[data-action]");
  if (!form) return;
  const off = form.querySelector("button").getAttribute("aria-disabled");
  mark(off ? {} : EFFECTS[form.dataset.action] ?? {});
}

function mark(effect) {
  for (const gauge of gauges()) {
    const value = valueOf(gauge);
    const after = Math.max(0, Math.min(10, value + (effect[gauge.dataset.kind] ?? 0)));
    gauge.querySelectorAll(".pip").forEach((pip, at) => {
      pip.toggleAttribute("data-going", at >= after && at < value);
      pip.toggleAttribute("data-coming", at >= value && at < after);
    });
  }
}

// Pips turn one after another, and the difference floats away.
function changed() {
  for (const gauge of gauges()) {
    const value = valueOf(gauge), was = values[gauge.dataset.kind];
    if (value === was) continue;
    values[gauge.dataset.kind] = value;
    if (still()) continue;
    const [low, high] = [Math.min(value, was), Math.max(value, was)];
    const pips = [...gauge.querySelectorAll(".pip")].slice(low, high);
    if (value < was) pips.reverse();
    pips.forEach((pip, at) => pip.animate([{ transform: "scale(.5)" }, { transform: "scale(1.15)" }, { transform: "none" }], { duration: 260, delay: at * 70, fill: "backwards" }));
    const note = document.createElement("span");
    note.className = "delta";
    note.setAttribute("aria-hidden", "true");
    note.textContent = value > was ? `+${value - was}` : `−${was - value}`;
    gauge.append(note);
    note.animate([{ opacity: 1, transform: "none" }, { opacity: 0, transform: "translateY(-18px)" }], { duration: 700, easing: "ease-out" }).finished.catch(() => {}).then(() => note.remove());
  }
}
