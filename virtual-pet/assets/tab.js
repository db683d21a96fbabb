// The tab: its title tells how the pet is, and its icon shows it.
import { countdown, serverNow } from "./clock.js";

const FACES = { asleep: "asleep", hungry: "hungry", tired: "tired" };

// Called each tick of the page's clock.
export function showInTab(name, mood, wakes) {
  const now = serverNow();
  const words = mood === "asleep" && wakes > now ? `Zzz ${countdown(wakes - now)} ` : mood === "hungry" ? "Hungry: " : "";
  const title = `${words}${name} · Virtual Pet`;
  if (document.title !== title) document.title = title;
  const icon = document.querySelector("link[rel=icon]");
  const face = `icon${FACES[mood] ? `-${FACES[mood]}` : ""}.svg`;
  const href = icon.href.replace(/icon[-a-z]*\.svg$/, face);
  if (icon.href !== href) icon.href = href;
}
