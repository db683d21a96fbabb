// The three buttons: the same forms, sent without leaving the page.
import { react, say } from "./pet.js";
import { speak } from "./live.js";
import { press } from "./sound.js";

let name;

export function startActions(home) {
  name = home.dataset.pet;
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-action]");
    if (!form) return;
    event.preventDefault();
    act(form);
  });
  document.addEventListener("click", (event) => { if (event.target.closest("#share")) share(); });
}

export const actBy = (action) => {
  const form = document.querySelector(`form[data-action=${action}]`);
  if (form) act(form);
};

const busy = new Set();
async function act(form) {
  const button = form.querySelector("button");
  if (button.getAttribute("aria-disabled")) return refuse(button.dataset.says);
  const action = form.dataset.action;
  if (busy.has(action)) return;
  busy.add(action);
  press();
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ req: crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2) }),
    });
    if (!response.ok) refuse((await response.json()).message);
  } catch {
    refuse("The server does not answer just now. Try again in a moment.");
  } finally {
    busy.delete(action);
  }
}

function refuse(words) {
  const asleep = document.getElementById("stage").dataset.asleep === "true";
  if (!asleep) react("refuse");
  say(words, 3500);
  speak(words);
}

async function share() {
  const url = new URL(`/pet/${encodeURIComponent(name)}`, location.href).href;
  try {
    if (navigator.share && matchMedia("(pointer: coarse)").matches) return await navigator.share({ title: name, url });
    await navigator.clipboard.writeText(url);
    toast(`The link to ${name} is copied.`);
  } catch {
    toast(url);
  }
}

export function toast(words) {
  const note = document.createElement("p");
  note.className = "toast";
  note.setAttribute("role", "status");
  note.textContent = words;
  document.body.append(note);
  setTimeout(() => note.remove(), 4000);
}
