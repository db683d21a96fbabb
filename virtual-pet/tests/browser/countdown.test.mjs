// Countdowns and tokens by the page's clock, which is turned by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { live, visit } from "./browser.mjs";
import { adopt } from "./game.mjs";
import { stage } from "./stage.mjs";

let game, browser;
stage(["--store", "memory:", "--limits", "off"], (its) => ({ game, browser } = its));

/** A page whose clock is ours, and which hears no more of the server's once it is live. */
async function open(name, options) {
  await adopt(game.url, name);
  const page = await visit(browser, game.url, options);
  await page.clock.install();
  await page.addInitScript(() => {
    const Real = window.EventSource;
    window.EventSource = class extends Real {
      addEventListener(kind, hear) { super.addEventListener(kind, (event) => { if (!window.deaf) hear(event); }); }
    };
    let hidden = false;
    Object.defineProperty(document, "hidden", { get: () => hidden });
    window.hide = (now) => { hidden = now; document.dispatchEvent(new Event("visibilitychange")); };
  });
  await page.goto(`${game.url}/pet/${name}`);
  await live(page);
  // From here on it stands still between two turns, however long a busy machine takes.
  await page.clock.pauseAt(await page.evaluate(() => { window.deaf = true; return Date.now() + 5000; }));
  return page;
}

const seconds = (text) => { const [minutes, rest] = text.split(":").map(Number); return minutes * 60 + rest; };
const countdown = (page) => page.textContent("[data-row=increase_hunger] .countdown");

test("a tab that was hidden for two minutes has its countdowns right as soon as it is seen", async () => {
  const page = await open("Hidden");
  await page.clock.runFor(2000);
  const before = seconds(await countdown(page));
  await page.evaluate(() => window.hide(true));
  await page.clock.fastForward(120_000);
  assert.equal(seconds(await countdown(page)), before, "nothing is drawn for nobody");
  const shown = await page.evaluate(() => {
    window.hide(false);
    return document.querySelector("[data-row=increase_hunger] .countdown").textContent;
  });
  assert.ok(Math.abs(before - 120 - seconds(shown)) <= 1, `${before} s, and two minutes later ${shown}`);
});

test("a token moves toward now and never back, and now stands at the start of the line", async () => {
  const page = await open("Moving");
  const places = [];
  for (let n = 0; n < 58; n++) {
    await page.clock.fastForward(60_000);
    places.push(await page.evaluate(() => document.querySelector("[data-row=increase_hunger] .token").getBoundingClientRect().left));
  }
  for (let n = 1; n < places.length; n++) assert.ok(places[n] < places[n - 1], places.join(" "));
  const { now, line, token } = await page.evaluate(() => {
    const left = (selector) => document.querySelector(selector).getBoundingClientRect().left;
    return { now: getComputedStyle(document.querySelector(".marks .now")).left, line: left("[data-row=increase_hunger] .track"), token: left("[data-row=increase_hunger] .token") };
  });
  assert.equal(now, "0px");
  assert.ok(token > line, "it is not due yet");
});

test("a worker's tooltip tells how long ago its heart beat", async () => {
  const page = await open("Beating");
  const told = () => page.evaluate(() => {
    const bot = document.querySelector(".bot");
    const [, worker, seconds] = /^(.+), last heartbeat (\d+) s ago$/.exec(bot.title) ?? [];
    return { isNamed: worker === bot.dataset.worker, seconds: Number(seconds), passed: (Date.now() - Number(bot.dataset.seen)) / 1000 };
  });
  for (const later of [1000, 20_000]) {
    await page.clock.runFor(later);
    const { isNamed, seconds, passed } = await told();
    assert.ok(isNamed && Math.abs(seconds - passed) <= 1, `${seconds} s told, ${passed} s passed`);
  }
});

/** By how much the channel that differs most does, of 255. */
const difference = (page, ...pictures) => page.evaluate(async (pictures) => {
  const [one, other] = await Promise.all(pictures.map(async (picture) => {
    const image = new Image();
    image.src = `data:image/png;base64,${picture}`;
    await image.decode();
    const pen = new OffscreenCanvas(image.width, image.height).getContext("2d");
    pen.drawImage(image, 0, 0);
    return pen.getImageData(0, 0, image.width, image.height).data;
  }));
  return one.reduce((most, value, n) => Math.max(most, Math.abs(value - other[n])), 0);
}, pictures);

test("with reduced motion a second changes nothing but words", async () => {
  const page = await open("Calm", { reducedMotion: "reduce", bypassCSP: true });
  await page.clock.runFor(2000);
  const words = [".countdown", "#wall-clock"].map((selector) => page.locator(selector));
  // A token creeps on, by a hundredth of a percent at a time.
  const still = async () => (await page.screenshot({ mask: words, style: ".track > * { visibility: hidden; }", animations: "allow" })).toString("base64");
  const before = await still();
  await page.clock.runFor(250);
  // A busy browser paints the edge of a letter one way or another: by 10 at most, in some hundred pixels. What moves makes more of a difference.
  const most = await difference(page, before, await still());
  assert.ok(most <= 24, `the two pictures differ by ${most} of 255`);
});
