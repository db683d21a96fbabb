// "Tell me": a notification when the pet wakes or gets hungry, while a tab of it is open but out of sight. Asked for by a press only.

const HUNGRY = 7;
const wanted = () => localStorage.getItem("tell") === "on" && "Notification" in self && Notification.permission === "granted";

export function startTelling() {
  const box = document.getElementById("tell-on");
  if (!box || !("Notification" in self)) { box?.closest("label").remove(); return; }
  box.checked = wanted();
  box.addEventListener("change", async () => {
    const granted = box.checked && await Notification.requestPermission() === "granted";
    localStorage.setItem("tell", granted ? "on" : "off");
    box.checked = granted;
  });
}

// What just happened, and hunger before and after it.
export function tellOf(steps, name, hunger, was) {
  if (!wanted() || !document.hidden) return;
  const woke = steps.some((step) => step.what === "woke" && step.job);
  const words = woke ? `${name} woke up.` : was < HUNGRY && hunger >= HUNGRY ? `${name} would love a meal.` : null;
  if (words) new Notification("Virtual Pet", { body: words, tag: name, icon: document.querySelector("link[rel=apple-touch-icon]").href });
}
