// When something is down or broken the page says what, and what it means for the pet.
import assert from "node:assert/strict";
import { test } from "node:test";
import { deed, enter, live, visit } from "./browser.mjs";
import { adopt, startGame } from "./game.mjs";
import { looksRight, looksRightInBothThemes } from "./pictures.mjs";
import { stage } from "./stage.mjs";

let pages, browser;
// Pages only: nobody works, nobody schedules. Its hour is due long before the last test looks.
stage(["web", "--store", "memory:", "--hunger-every", "100ms"], async (its) => {
  ({ browser, game: pages } = its);
  await adopt(pages.url, "Alone");
});

test("what broke on our side is told with a number for the log, and the pet is as it was", async () => {
  const game = await startGame(["--store", "memory:"], 0, { LULLABY_FAILPOINT: "sleep.job_made=panic" });
  try {
    await adopt(game.url, "Mochi");
    const page = await visit(browser, game.url, { bypassCSP: true });
    await page.goto(`${game.url}/pet/Mochi`);
    // As without a script: the form itself, not what the page makes of it.
    const [answer] = await Promise.all([page.waitForResponse("**/put_pet_to_sleep/Mochi"), page.evaluate(() => document.querySelector("form[data-action=sleep]").submit())]);
    await page.waitForSelector("main.small");
    assert.equal(answer.status(), 500);
    assert.match(answer.headers()["content-security-policy"], /default-src 'none'/);
    assert.match(await page.innerText("main"), /Something broke on our side, and the pets are fine\. The server's log has it as [0-9a-f]{32}\./);
    await looksRightInBothThemes(page, "broken");
    await page.emulateMedia({ colorScheme: "light" });
    await page.goto(`${game.url}/pet/Mochi`);
    await live(page);
    await page.click("form[data-action=sleep] button");
    await page.waitForSelector("#bubble >> text=Something broke on our side");
    assert.equal(await page.getAttribute("#stage", "data-asleep"), "false");
    await looksRight(page, "press-that-broke-light-1280");
  } finally {
    await game.stop();
  }
});

test("while the store does not answer the page says that the pet is safe, and comes back by itself", async () => {
  const page = await visit(browser, pages.url);
  let down = true;
  await page.route("**/pet/Alone", async (route) => {
    if (!down) return route.continue();
    const offline = await route.fetch({ url: `${pages.url}/offline` });
    return route.fulfill({ response: offline, status: 503 });
  });
  await page.clock.install();
  await page.goto(`${pages.url}/pet/Alone`);
  await page.waitForSelector("svg.pet[data-mood=asleep]");
  await page.waitForSelector("text=This page tries again by itself.");
  down = false;
  await page.clock.fastForward(6000);
  await page.waitForSelector("main[data-pet=Alone]");
});

test("the colour of the alarm clock tells whether a scheduler is at work", async () => {
  const clock = (page, health) => page.waitForSelector(`#rows h3[data-scheduler=${health}]`);
  const colour = (page) => page.evaluate(() => getComputedStyle(document.querySelector("#rows h3 .icon")).color);
  const game = await startGame(["--store", "memory:", "--limits", "off"]);
  try {
    await adopt(game.url, "Mochi");
    const lab = await enter(browser, game.url, "Mochi");
    await clock(lab, "seen");
    const healthy = await colour(lab);
    await deed(lab, "schedulers", "0");
    await clock(lab, "none");
    assert.equal(await lab.innerText("#rows .unmoved"), "No scheduler runs");
    const ill = await colour(lab);
    assert.notEqual(ill, healthy);
    await deed(lab, "schedulers", "1");
    await clock(lab, "seen");
    assert.equal(await lab.locator("#rows .unmoved").count(), 0);

    const town = await visit(browser, game.url);
    await town.goto(`${game.url}/pet/Mochi`);
    await clock(town, "seen");
    assert.equal(await colour(town), healthy);
  } finally {
    await game.stop();
  }
  // Nothing is due yet, and nobody would move it.
  const unhurried = await startGame(["web", "--store", "memory:"]);
  try {
    await adopt(unhurried.url, "Mochi");
    const page = await visit(browser, unhurried.url);
    await page.goto(`${unhurried.url}/pet/Mochi`);
    await clock(page, "none");
    assert.equal(await page.innerText("#rows .unmoved"), "No scheduler runs");
  } finally {
    await unhurried.stop();
  }
});

test("without a scheduler the time line says that nobody moves what is due", async () => {
  const page = await visit(browser, pages.url, { bypassCSP: true });
  await page.goto(`${pages.url}/pet/Alone`);
  await live(page);
  await page.waitForSelector("#rows .unmoved >> text=Nobody is moving due jobs");
  await page.waitForSelector("#bots >> text=No worker is running. Jobs wait safely in the queue.");
  await looksRight(page, "nobody-moves-light-1280");
  await page.setViewportSize({ width: 390, height: 844 });
  const [heading, words, clock] = await page.evaluate(() => ["h3", ".unmoved", "#wall-clock"].map((one) => document.querySelector(`#rows ${one}`).getBoundingClientRect().toJSON()));
  assert.ok(heading.right < words.left && words.right < clock.left && clock.top < heading.bottom, "on a phone too all three stand in one line");
});
