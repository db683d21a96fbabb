// Starts what the page at hand needs. Every page works without any of this; see the server's forms.
import { startAdopting } from "./adopt.js";
import { startActions } from "./actions.js";
import { startCalm } from "./calm.js";
import { startClock } from "./clock.js";
import { startFlow } from "./flow.js";
import { startForms } from "./forms.js";
import { startGauges } from "./gauges.js";
import { startHints } from "./hints.js";
import { startLab } from "./lab.js";
import { startLive } from "./live.js";
import { startPet } from "./pet.js";
import { rememberZone, startSettings } from "./settings.js";
import { startTelling } from "./tell.js";

document.documentElement.dataset.script = "";
showChip();
rememberZone();
startCalm();
startSettings();
startForms();
const home = document.querySelector("main[data-pet]");
if (home) {
  startClock(home);
  startPet();
  startGauges();
  startFlow();
  startActions(home);
  if (!("lab" in home.dataset)) startHints(); // The lab has lessons.
  startTelling();
  if ("lab" in home.dataset) startLab();
  startLive(home);
} else {
  startAdopting();
}
navigator.serviceWorker?.register("/sw.js").catch(() => {}); // A convenience: without it there is no page offline.

/** Where one is stands in sight, however many pets come before it. */
function showChip() {
  const chip = document.querySelector(".pets [aria-current]");
  if (chip) chip.parentElement.scrollLeft = chip.offsetLeft - (chip.parentElement.clientWidth - chip.clientWidth) / 2 - chip.parentElement.offsetLeft;
}
