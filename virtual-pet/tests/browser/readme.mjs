// Takes the pictures of the README anew: `npm run readme`, after the look has changed.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { deed, enter, live, startBrowser, visit } from "./browser.mjs";
import { act, adopt, startGame } from "./game.mjs";

const DOCS = join(dirname(fileURLToPath(import.meta.url)), "../../../docs/pictures");
/** Where it is the middle of the day now: the rooms are bright. */
const noon = () => { const ahead = 12 - new Date().getUTCHours(); return `Etc/GMT${ahead >= 0 ? "-" : "+"}${Math.abs(ahead)}`; };

const [game, browser] = await Promise.all([startGame(["--store", "memory:"]), startBrowser()]);
const open = async (path, options = {}) => {
  const page = await visit(browser, game.url, { reducedMotion: "reduce", timezoneId: noon(), ...options });
  await page.addInitScript(() => localStorage.setItem("hints", "egg sleep job"));
  await page.goto(game.url + path);
  // The first page tells the server in which zone it is.
  await page.reload();
  return page;
};
const take = (page, name, options = {}) => page.screenshot({ path: join(DOCS, name), ...options });

for (const [name, species, colour] of [["Nori", "axolotl", "mint"], ["Ferri", "crab", "coral"], ["Maple", "bear", "cocoa"]]) await adopt(game.url, name, species, colour);
const form = await open("/adopt");
await form.evaluate(() => { document.querySelector("[value=bunny]").click(); document.querySelector("[value=lilac]").click(); });
await form.fill("#name", "Pixel");
await form.waitForFunction(() => !document.querySelector("#preview [data-act]"));
await take(form, "adopt.png");

// Adopted by the form, so that it is this browser's.
const mine = await open("/adopt");
await mine.fill("#name", "Mochi");
await mine.click("form .primary");
await mine.waitForURL("**/pet/Mochi");
await mine.waitForSelector("svg.pet[data-stage=hatchling]");
await live(mine);
for (const action of ["play", "play", "sleep"]) {
  await mine.click(`form[data-action=${action}] button`);
  await mine.waitForSelector(`#log li:first-child >> text=${action === "sleep" ? "to sleep" : "played"}`);
}
await mine.waitForSelector("#stage[data-asleep=true]");
await mine.waitForFunction(() => !document.querySelector("#stage [data-act]"));
await take(mine, "asleep.png");

await act(game.url, "Nori", "play");
const phone = await open("/pet/Nori", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark" });
await live(phone);
await take(phone, "phone-dark.png");

const lab = await enter(browser, game.url, "Mochi", { reducedMotion: "reduce", timezoneId: noon(), viewport: { width: 1280, height: 920 } });
await deed(lab, "lesson", "5");
await deed(lab, "five");
await lab.waitForSelector("#pile .numeral");
await deed(lab, "unplug");
await lab.waitForSelector(".bot[data-state=lost]");
await take(lab, "lab.jpg", { quality: 82 });

await browser.close();
await game.stop();
