// The queue: its order is the store's, it may be crowded, and a job in it is the same token as before and after.
import assert from "node:assert/strict";
import { test } from "node:test";
import { deed, enter } from "./browser.mjs";
import { adopt } from "./game.mjs";
import { picture } from "./pictures.mjs";
import { stage } from "./stage.mjs";

let game, browser;
stage(["--store", "memory:", "--limits", "off"], async (its) => {
  ({ game, browser } = its);
  await adopt(game.url, "Mochi");
});

const jobs = (page) => page.evaluate(async () => (await fetch("/lab/jobs")).json());
const tokens = (page) => page.locator("#queue .token[data-key]:not(.empty)").evaluateAll((all) => all.map((one) => one.dataset.key));

test("a queue of five stands in the store's order, and a crowded one in small circles and a number", async () => {
  const page = await enter(browser, game.url, "Mochi");
  await deed(page, "pause");
  await page.waitForSelector(".bot[data-state=paused]");
  await deed(page, "five");
  await page.waitForSelector("#queue .count >> text=5 waiting");
  const inOrder = async () => (await jobs(page)).recent.filter((job) => job.status === "queued").map((job) => job.id).sort();
  assert.deepEqual((await tokens(page)).reverse(), await inOrder(), "the next one stands at the right");
  const size = () => page.evaluate(() => document.querySelector("#queue .token").getBoundingClientRect().width);
  assert.equal(await size(), 36);

  for (let n = 0; n < 3; n++) await deed(page, "five");
  await page.waitForSelector("#queue .count >> text=20 waiting");
  await page.waitForSelector("#queue >> text=+10 more");
  assert.equal((await tokens(page)).length, 10);
  assert.equal(await size(), 24);
  await picture(page, "queue-crowded-light-1280");
  const inside = await page.evaluate(() => {
    const queue = document.getElementById("queue").getBoundingClientRect();
    return [...document.querySelectorAll("#queue .token")].every((token) => {
      const box = token.getBoundingClientRect();
      return box.left >= queue.left && box.right <= queue.right && box.bottom <= queue.bottom;
    });
  });
  assert.ok(inside, "no token sticks out");

  await deed(page, "resume");
  await page.waitForSelector("#queue .count >> text=0 waiting");
  const ended = (await jobs(page)).recent.filter((job) => job.task === "small_job" && job.status === "finished");
  ended.sort((one, other) => one.started_at.localeCompare(other.started_at) || one.id.localeCompare(other.id));
  assert.deepEqual(ended.map((job) => job.id), ended.map((job) => job.id).sort(), "first in, first out");
  assert.deepEqual(page.complaints, []);
});

test("a job is one token from its row through queue and worker to the pile", async () => {
  const page = await enter(browser, game.url, "Mochi");
  await page.evaluate(() => {
    window.places = {};
    window.doubles = [];
    const look = () => {
      const seen = new Set();
      for (const token of document.querySelectorAll(".flow .token[data-key]:not(.empty)")) {
        const { key } = token.dataset;
        if (seen.has(key)) window.doubles.push(key);
        seen.add(key);
        const place = token.closest("#rows, #queue, #bots, #pile").id;
        const its = window.places[key] ??= [];
        if (its.at(-1) !== place) its.push(place);
      }
    };
    new MutationObserver(look).observe(document.querySelector(".flow"), { subtree: true, childList: true, attributes: true });
    look();
  });
  // The hands of both workers are bound before it is due, and they begin again one long job after another.
  await page.click("form[data-action=sleep] button");
  await page.waitForSelector("[data-row=wake_pet]");
  const wake = await page.getAttribute("[data-row=wake_pet] .token", "data-key");
  await deed(page, "pause");
  await deed(page, "long");
  await deed(page, "skip");
  await page.waitForSelector(`#queue .token[data-key="${wake}"]`);
  const long = (await tokens(page)).find((key) => key !== wake);
  await deed(page, "resume");
  await page.waitForSelector(`#bots .token[data-key="${long}"]`);
  await deed(page, "speed", "60");
  await page.waitForSelector(`#pile .token[data-key="${long}"]`);
  const { places, doubles } = await page.evaluate(() => ({ places: window.places, doubles: window.doubles }));
  assert.deepEqual(doubles, [], "never two tokens of one job");
  assert.deepEqual(places[long], ["queue", "bots", "pile"]);
  assert.deepEqual(places[wake].filter((place) => place !== "bots"), ["rows", "queue", "pile"]);
});

test("the card is as tall with five rows as with two", async () => {
  const page = await enter(browser, game.url, "Mochi");
  const height = () => page.evaluate(() => document.querySelector(".flow").getBoundingClientRect().height);
  const before = await height();
  for (let n = 0; n < 3; n++) await deed(page, "wobble");
  await page.waitForSelector("#rows .further >> text=2 more");
  assert.equal(await page.locator("[data-row]").count(), 3);
  assert.equal(await height(), before);
});
