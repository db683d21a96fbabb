// The picture of a job's way: never far behind the facts, never ahead of them, and not there at all after a reload.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MOVING, deed, enter, live, visit } from "./browser.mjs";
import { adopt } from "./game.mjs";
import { stage } from "./stage.mjs";

/** How far the picture may be behind, in ms, and the frames of a busy machine in which it is seen. */
const BEHIND = 2200 + 150;

let game, browser;
stage(["--store", "memory:", "--limits", "off", "--nap", "1s"], async (its) => {
  ({ game, browser } = its);
  await adopt(game.url, "Mochi");
});

/** Notes when the page hears that a job is finished, and when its token lies in the pile. */
const watchLandings = (page) => page.evaluate(() => {
  window.heard = {};
  window.landed = {};
  new BroadcastChannel(`pet-${document.querySelector("main").dataset.id}`).onmessage = ({ data: { name, data } }) => {
    if (name === "patch") for (const step of data.steps) if (step.kind === "job.finished") window.heard[step.job] ??= performance.now();
  };
  const look = () => {
    for (const token of document.querySelectorAll("#pile .token:not([data-awaited])")) window.landed[token.dataset.key] ??= performance.now();
  };
  new MutationObserver(look).observe(document.getElementById("pile"), { subtree: true, childList: true, attributes: true });
});

const lag = (page) => page.evaluate(() => Object.entries(window.heard).filter(([job]) => window.landed[job]).map(([job, at]) => window.landed[job] - at));

test("a finished job lies in the pile within 2.2 s, alone or in a burst of twelve", async () => {
  const page = await visit(browser, game.url, MOVING);
  await page.goto(`${game.url}/pet/Mochi`);
  await live(page);
  await watchLandings(page);
  await page.click("form[data-action=sleep] button");
  await page.waitForFunction(() => Object.keys(window.heard).length === 1 && Object.keys(window.heard).every((job) => window.landed[job]));
  for (const late of await lag(page)) assert.ok(late <= BEHIND, `one job landed after ${late} ms`);

  const lab = await enter(browser, game.url, "Mochi", MOVING);
  await watchLandings(lab);
  for (const path of ["five", "five", "hello", "hello"]) await deed(lab, path);
  await lab.waitForFunction(() => Object.keys(window.heard).length === 12 && !document.querySelector("[data-awaited], .flier"));
  const lags = await lag(lab);
  assert.ok(lags.length >= 5, "the pile shows five");
  for (const late of lags) assert.ok(late <= BEHIND, `of twelve jobs one landed after ${late} ms`);
});

test("more moves than can be followed are not shown one by one, and the page says so; five are", async () => {
  const page = await enter(browser, game.url, "Mochi", MOVING);
  const note = page.locator("#fast-forward");
  await page.evaluate(() => {
    const flown = () => { window.flown = { fliers: 0, notes: 0 }; };
    flown();
    window.anew = flown;
    new MutationObserver((changes) => {
      for (const { addedNodes, target } of changes) {
        if ([...addedNodes].some((node) => node.classList?.contains("flier"))) window.flown.fliers += 1;
        if (target.id === "fast-forward" && !target.hidden) window.flown.notes += 1;
      }
    }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden"] });
  });
  await deed(page, "five");
  await page.waitForFunction(() => document.querySelectorAll("#pile .numeral").length === 5 && !document.querySelector("[data-awaited], .flier"));
  const five = await page.evaluate(() => window.flown);
  assert.ok(five.fliers >= 5 && five.notes === 0, JSON.stringify(five));

  await deed(page, "pause");
  for (let n = 0; n < 4; n++) await deed(page, "five");
  await page.waitForSelector("#queue .count >> text=20 waiting");
  await deed(page, "speed", "600");
  await page.waitForFunction(() => !document.querySelector(".flier"));
  await page.evaluate(() => window.anew());
  await deed(page, "resume");
  await note.waitFor({ state: "visible" });
  await page.waitForSelector("#queue .count >> text=0 waiting");
  await note.waitFor({ state: "hidden" });
  const twenty = await page.evaluate(() => window.flown);
  assert.ok(twenty.fliers <= 12, `${twenty.fliers} tokens flew`);
  assert.equal(await page.locator("[data-awaited], .flier").count(), 0);
});

test("a pet wakes no sooner than its job's token has reached the robot", async () => {
  const page = await visit(browser, game.url, MOVING);
  await page.goto(`${game.url}/pet/Mochi`);
  await live(page);
  await page.evaluate(() => {
    window.story = [];
    const note = (what) => { if (!window.story.includes(what)) window.story.push(what); };
    new MutationObserver((changes) => {
      for (const { target, attributeName } of changes) {
        if (attributeName === "data-busy" && target.hasAttribute("data-busy")) note("at the robot");
        if (attributeName === "data-asleep" && target.dataset.asleep === "false") note("awake");
      }
    }).observe(document.body, { subtree: true, attributes: true });
  });
  await page.click("form[data-action=sleep] button");
  await page.waitForSelector("#stage[data-asleep=true]");
  await page.waitForSelector("#stage[data-asleep=false]");
  assert.deepEqual(await page.evaluate(() => window.story), ["at the robot", "awake"]);
});

test("a reload in the middle shows the same tokens in the same places, and none in flight", async () => {
  const page = await enter(browser, game.url, "Mochi", MOVING);
  await deed(page, "pause");
  await deed(page, "five");
  await deed(page, "hello");
  await page.waitForSelector("#queue .count >> text=6 waiting");
  await page.waitForFunction(() => !document.querySelector(".flier"));
  const places = () => page.evaluate(() => [...document.querySelectorAll(".flow .token[data-key]:not(.empty)")].map((token) => [token.dataset.key, token.closest("#rows, #queue, #bots, #pile").id]));
  const before = await places();
  await page.addInitScript(() => {
    window.flights = 0;
    new MutationObserver(() => { if (document.querySelector(".flier")) window.flights += 1; }).observe(document, { subtree: true, childList: true });
  });
  await page.reload();
  await live(page);
  assert.deepEqual(await places(), before);
  assert.equal(await page.evaluate(() => window.flights), 0);
});
