// Whether anything may move: not if the system or the player asks for calm, and not out of sight.

const system = matchMedia("(prefers-reduced-motion: reduce)");

export const calm = () => system.matches || "calm" in document.documentElement.dataset;
export const still = () => calm() || document.hidden;

export function startCalm() {
  const asked = new URLSearchParams(location.search).has("calm");
  const box = document.getElementById("calm-on");
  const set = (on) => document.documentElement.toggleAttribute("data-calm", on);
  set(asked || localStorage.getItem("calm") === "on");
  if (!box) return;
  box.checked = localStorage.getItem("calm") === "on";
  box.addEventListener("change", () => { localStorage.setItem("calm", box.checked ? "on" : "off"); set(box.checked); });
}
