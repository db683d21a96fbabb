// The lab's buttons: the same forms, sent without leaving the page. What comes of them the stream tells.
import { press } from "./sound.js";
import { speak } from "./live.js";
import { toast } from "./actions.js";

const busy = new Set();
let opening = false; // A lesson was asked for: its title gets the focus once it is there.

export function startLab() {
  document.addEventListener("submit", (event) => {
    // The form's own way out, and not the one for those whose world has gone.
    if (event.target.matches("[action='/lab/leave']")) document.querySelector("main").dataset.leaving = "";
    const form = event.target.closest("form[data-deed]");
    if (!form) return;
    event.preventDefault();
    send(form, event.submitter);
  });
  document.addEventListener("drawn", () => {
    if (!opening) return;
    opening = false;
    document.getElementById("lesson-title").focus({ preventScroll: true });
  });
}

async function send(form, button) {
  const deed = form.dataset.deed;
  if (busy.has(deed)) return;
  busy.add(deed);
  press();
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(new FormData(form, button)),
    });
    if (response.status === 404) { location.href = "/lab"; return; }
    if (!response.ok) return refuse((await response.json()).message);
    if (deed === "lesson") opening = true;
  } catch {
    refuse("The server does not answer just now. Try again in a moment.");
  } finally {
    busy.delete(deed);
  }
}

function refuse(words) {
  toast(words);
  speak(words);
}

export function setSpeed(speed) {
  document.querySelector(`.speeds [value="${speed}"]`)?.click();
}
