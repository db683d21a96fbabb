// "Tell me": asked for by a press only, and told of only where nobody looks.
import assert from "node:assert/strict";
import { test } from "node:test";
import { live, visit } from "./browser.mjs";
import { act, adopt } from "./game.mjs";
import { stage } from "./stage.mjs";

let game, browser;
stage(["--store", "memory:", "--limits", "off", "--nap", "3s", "--hunger-every", "200ms"], (its) => ({ game, browser } = its));

/** A page of the pet that keeps what it tells, and counts how often it asks for leave. */
async function open(name, answer = "granted") {
  const page = await visit(browser, game.url, { permissions: answer === "granted" ? ["notifications"] : [] });
  await page.addInitScript((answer) => {
    window.told = [];
    window.asked = 0;
    window.Notification = class {
      static permission = "default";
      static async requestPermission() { window.asked += 1; return (this.permission = answer); }
      constructor(title, { body }) { window.told.push(body); }
    };
    let hidden = false;
    Object.defineProperty(document, "hidden", { get: () => hidden });
    window.hide = (now) => { hidden = now; document.dispatchEvent(new Event("visibilitychange")); };
  }, answer);
  await page.goto(`${game.url}/pet/${name}`);
  await live(page);
  return page;
}

async function tellMe(page) {
  await page.click("#help-button");
  await page.click("#tell-on");
  await page.click("dialog .primary");
}

test("a pet that wakes or gets hungry is told of while its tab is out of sight, and once", async () => {
  await adopt(game.url, "Loud");
  const page = await open("Loud");
  assert.equal(await page.evaluate(() => window.asked), 0, "nobody is asked before a press");
  await tellMe(page);
  assert.equal(await page.evaluate(() => window.asked), 1);
  await page.evaluate(() => window.hide(true));
  for (const action of ["feed", "feed", "sleep"]) await act(game.url, "Loud", action);
  await page.waitForFunction(() => window.told.includes("Loud woke up."));
  await page.waitForFunction(() => window.told.includes("Loud would love a meal."));
  await page.waitForSelector("[data-kind=hunger] [aria-valuenow='10']");
  assert.equal((await page.evaluate(() => window.told)).length, 2);
  assert.deepEqual(page.complaints, []);
});

test("nothing is told to somebody who looks, or who did not ask", async () => {
  await adopt(game.url, "Seen");
  const [looks, silent] = [await open("Seen"), await open("Seen")];
  await tellMe(looks);
  await silent.evaluate(() => window.hide(true));
  for (const action of ["feed", "feed", "sleep"]) await act(game.url, "Seen", action);
  await Promise.all([looks, silent].map(async (page) => {
    await page.waitForSelector("#stage[data-asleep=true]");
    await page.waitForSelector("#stage[data-asleep=false]");
    await page.waitForSelector("[data-kind=hunger] [aria-valuenow='10']");
    assert.deepEqual(await page.evaluate(() => window.told), []);
  }));
});

test("a browser that says no is not asked again by itself, and the box says so", async () => {
  await adopt(game.url, "Refused");
  const page = await open("Refused", "denied");
  await tellMe(page);
  assert.equal(await page.isChecked("#tell-on"), false);
  await page.reload();
  await live(page);
  assert.equal(await page.evaluate(() => window.asked), 0);
  assert.equal(await page.isChecked("#tell-on"), false);
});
