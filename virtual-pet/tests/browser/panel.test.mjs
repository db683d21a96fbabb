// Behind the scenes: the picture tells the truth, and stands still.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MOVING, live, visit } from "./browser.mjs";
import { act, adopt, startGame } from "./game.mjs";
import { stage } from "./stage.mjs";

let game, browser;
stage(["--store", "memory:", "--limits", "off", "--nap", "2s"], (its) => ({ game, browser } = its));

test("a job is one token from its row to the pile, and its pet wakes no sooner than it runs", async () => {
  const pet = await adopt(game.url, "Token");
  const page = await visit(browser, game.url, MOVING);
  await page.goto(`${game.url}/pet/Token`);
  await live(page);
  await page.evaluate(() => {
    window.most = 0;
    window.places = [];
    const look = () => {
      const job = document.querySelector("[data-row=wake_pet] .token")?.dataset.key ?? window.job;
      if (!job) return;
      window.job = job;
      const tokens = document.querySelectorAll(`.flow .token[data-key="${job}"]`);
      window.most = Math.max(window.most, tokens.length);
      const place = tokens[0]?.closest("#rows, #queue, #bots, #pile")?.id;
      if (place && window.places.at(-1) !== place) window.places.push(place);
    };
    new MutationObserver(look).observe(document.querySelector(".flow"), { subtree: true, childList: true, attributes: true });
  });
  await page.click("form[data-action=sleep] button");
  await page.waitForSelector("#pile .token:not([data-awaited])");
  const { most, places, job } = await page.evaluate(() => ({ most: window.most, places: window.places, job: window.job }));
  assert.equal(most, 1, "never two tokens of one job");
  assert.deepEqual([places[0], places.at(-1)], ["rows", "pile"]);
  const { recent } = await (await fetch(`${game.url}/api/pets/Token/jobs`)).json();
  assert.equal(recent[0].id, job);
  assert.equal(recent[0].status, "finished");
  assert.equal(pet.name, "Token");
});

test("counts are those of the store, and countdowns those of the due times", async () => {
  await adopt(game.url, "Counts");
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/pet/Counts`);
  await live(page);
  const { scheduled } = await (await fetch(`${game.url}/api/pets/Counts/jobs`)).json();
  assert.match(await page.innerText("#counters"), new RegExp(`^${scheduled.length}\\s+scheduled`));
  // For its first second the hour is told as 1 h 0 m.
  await page.waitForFunction(() => document.querySelector("#rows .countdown").textContent.includes(":"));
  const shown = await page.locator("#rows .countdown").evaluateAll((nodes) => nodes.map((node) => [Number(node.dataset.due), node.textContent]));
  assert.deepEqual(shown.map(([due]) => due), scheduled.map((job) => Date.parse(job.due_at)));
  const [due, text] = shown[0];
  const [minutes, seconds] = text.split(":").map(Number);
  assert.ok(Math.abs(minutes * 60 + seconds - (due - Date.now()) / 1000) <= 2, text);
});

test("nothing jumps when jobs come and go", async () => {
  await adopt(game.url, "Still");
  const page = await visit(browser, game.url, { ...MOVING, viewport: { width: 1280, height: 500 } });
  await page.goto(`${game.url}/pet/Still`);
  await live(page);
  const height = () => page.evaluate(() => document.querySelector(".flow").getBoundingClientRect().height);
  const before = await height();
  await page.evaluate(() => scrollTo(0, 200));
  await act(game.url, "Still", "sleep");
  await page.waitForSelector("[data-row=wake_pet]");
  assert.equal(await height(), before);
  await page.waitForSelector("#pile .token");
  assert.equal(await height(), before);
  assert.equal(await page.evaluate(() => scrollY), 200);
});

test("a job that is chosen shows its line, in Rust and in Python, with the same values", async () => {
  await adopt(game.url, "Chosen");
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/pet/Chosen`);
  await live(page);
  await page.locator("[data-row=grow_up] .row-name").focus();
  await page.keyboard.press("Enter");
  const shown = page.locator("#code .listing[data-shown]");
  assert.match(await shown.locator(".rust").innerText(), /enqueue_at[\s\S]*GrowUp[\s\S]*"Chosen"/);
  assert.equal(await page.getAttribute("[data-row=grow_up] .row-name", "aria-current"), "true");
  await page.check("#python", { force: true });
  assert.match(await shown.locator(".python").innerText(), /enqueue_at[\s\S]*grow_up[\s\S]*"Chosen"/);
  // It stays chosen, and what is marked in it stays marked, while other things change.
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector("[data-shown] .python")));
  await act(game.url, "Chosen", "play");
  await page.waitForSelector("[data-kind=energy] [aria-valuenow='8']");
  assert.match(await page.evaluate(() => getSelection().toString()), /grow_up/);
});

test("a nap is told to a screen reader in a few sentences, and countdowns never", async () => {
  await adopt(game.url, "Told");
  const page = await visit(browser, game.url, MOVING);
  await page.goto(`${game.url}/pet/Told`);
  await live(page);
  await page.evaluate(() => {
    window.told = [];
    const region = document.getElementById("sr");
    new MutationObserver(() => window.told.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
  });
  await page.click("form[data-action=sleep] button");
  await page.waitForSelector("#sr >> text=Told woke up");
  const told = await page.evaluate(() => window.told);
  assert.ok(told.length >= 1 && told.length <= 4, JSON.stringify(told));
  await page.waitForSelector("svg.pet[role=img][aria-label='Told the cat is happy']");
});

test("without a worker the page says that jobs wait safely", async () => {
  const pages = await startGame(["web", "--store", "memory:"]);
  try {
    await adopt(pages.url, "Alone");
    const page = await visit(browser, pages.url);
    await page.goto(`${pages.url}/pet/Alone`);
    await page.waitForSelector("#bots >> text=No worker is running. Jobs wait safely in the queue.");
  } finally {
    await pages.stop();
  }
});

test("too many presses in a minute get a friendly answer", async () => {
  const strict = await startGame(["--store", "memory:", "--limits", "on"]);
  try {
    await adopt(strict.url, "Quick");
    for (let n = 0; n < 30; n++) await act(strict.url, "Quick", "feed");
    const page = await visit(browser, strict.url);
    await page.goto(`${strict.url}/pet/Quick`);
    await live(page);
    await page.click("form[data-action=feed] button");
    await page.waitForSelector("#bubble >> text=still chewing");
  } finally {
    await strict.stop();
  }
});
