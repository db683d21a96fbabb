// Lost connections, and restarts in the middle of a nap.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { live, visit } from "./browser.mjs";
import { act, adopt, freePort, startGame } from "./game.mjs";
import { picture } from "./pictures.mjs";
import { stage } from "./stage.mjs";

let browser;
stage(null, (its) => ({ browser } = its));
const folder = mkdtempSync(join(tmpdir(), "virtual-pet-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Answers everything with 503, as a proxy does while the server restarts. */
async function proxyWithoutServer(port) {
  const server = createServer((request, response) => response.writeHead(503).end()).listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** Waits until a pet's history has these words: an hour is saved before it is written down, and the page tells what is written. */
async function written(game, name, words) {
  const history = async () => (await fetch(`${game.url}/pet/${name}/history`, { headers: { Accept: "text/html" } })).text();
  while (!(await history()).includes(words));
}

test("a killed server is told of, 503s do not end it, and the nap goes on where it was", async () => {
  const port = await freePort();
  // The page tries again after about 0.5, 1, 2 and 4 s, and shall be back before the nap is over.
  const options = ["--data", folder, "--nap", "15s"];
  let game = await startGame(options, port);
  await adopt(game.url, "Mochi");
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/pet/Mochi`);
  await live(page);
  await page.click("form[data-action=sleep] button");
  await page.waitForSelector("[data-row=wake_pet]");
  await game.kill();
  await page.waitForSelector("#live[data-state=reconnecting]");
  await page.waitForSelector("#lost >> text=Connection lost");
  await picture(page, "lost-light-1280");

  const proxy = await proxyWithoutServer(port);
  for (let refused = 0; refused < 2; refused++) await once(proxy, "request");
  proxy.closeAllConnections();
  proxy.close();
  await once(proxy, "close");

  game = await startGame(options, port);
  try {
    await live(page);
    assert.equal(await page.isVisible("#lost"), false);
    assert.match(await page.innerText("#restarted"), /The server restarted\. 3 scheduled jobs came back from disk/);
    await picture(page, "restarted-light-1280");
    await page.click("#restarted button");
    assert.equal(await page.isVisible("#restarted"), false);
    await page.waitForSelector("#stage[data-asleep=false]");
    await page.waitForSelector("#log >> text=Wake up: finished");
    const lines = await page.locator("#log li").evaluateAll((lines) => lines.map((line) => line.dataset.key));
    assert.equal(new Set(lines).size, lines.length, "no line twice");
  } finally {
    await game.stop();
  }
});

test("after a restart every row is back, due when it was", async () => {
  const port = await freePort();
  const options = ["--data", join(folder, "rows")];
  let game = await startGame(options, port);
  await adopt(game.url, "Rows");
  await act(game.url, "Rows", "sleep");
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/pet/Rows`);
  await live(page);
  const rows = () => page.locator("#rows .countdown").evaluateAll((all) => all.map((one) => [one.closest("[data-row]").dataset.row, one.dataset.due]));
  const before = await rows();
  assert.equal(before.length, 3);
  await game.kill();
  await page.waitForSelector("#live[data-state=reconnecting]");
  game = await startGame(options, port);
  try {
    await page.waitForSelector("#restarted >> text=3 scheduled jobs came back from disk");
    assert.deepEqual(await rows(), before);
  } finally {
    await game.stop();
  }
});

test("a nap that ended while nobody was there is over on return, and its job is said to be late", async () => {
  const port = await freePort();
  const options = ["--data", join(folder, "late"), "--nap", "1s"];
  // Pages only: on a slow machine the nap must not be over before the kill.
  let game = await startGame(["web", ...options], port);
  await adopt(game.url, "Late");
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/pet/Late`);
  await live(page);
  await act(game.url, "Late", "sleep");
  const countdown = await page.waitForSelector("[data-row=wake_pet] .countdown");
  const wakesAt = Number(await countdown.getAttribute("data-due"));
  await game.kill();
  await page.waitForSelector("#lost >> text=Connection lost");
  // Less than a second is not called late. The page counts on by itself.
  await page.waitForFunction((due) => Date.now() > due + 1000, wakesAt);
  assert.equal(await countdown.innerText(), "0:00");
  game = await startGame(options, port);
  try {
    await page.waitForSelector("#restarted >> text=1 was late and ran at once");
    await page.waitForSelector("#stage[data-asleep=false]");
    await page.waitForSelector("#log >> text=late by");
  } finally {
    await game.stop();
  }
});

test("hours without a server are made up for in one run, and whoever comes back is told of them and of the restart", async () => {
  const port = await freePort();
  // A game hour is half a second.
  const options = ["--data", join(folder, "hours"), "--hunger-every", "500ms"];
  // Pages only: the first hour must not come before the server goes.
  let game = await startGame(["web", ...options], port);
  await adopt(game.url, "Hours");
  const page = await visit(browser, game.url);
  // The visit was seven hours ago by the browser's clock.
  await page.clock.install({ time: Date.now() - 7 * 3600 * 1000 });
  await page.goto(`${game.url}/pet/Hours`);
  await live(page);
  const due = Number(await page.getAttribute("[data-row=increase_hunger] .countdown", "data-due"));
  await game.kill();
  const back = await visit(browser, game.url);
  await back.context().addCookies(await page.context().cookies());
  await page.context().close();
  await back.waitForFunction((due) => Date.now() >= due + 6 * 500, due);
  game = await startGame(options, port);
  try {
    await written(game, "Hours", "hours in one catch-up run");
    await back.goto(`${game.url}/pet/Hours`);
    await live(back);
    const card = await back.innerText("#away");
    assert.match(card, /While you were away \(7 h/);
    const [, hours, hunger] = /(\d+) game hours went by; hunger is (\d+) of 10 now/.exec(card);
    assert.ok(Number(hours) >= 7 && Number(hunger) === Math.min(10, Number(hours)), card);
    assert.match(card, /The server restarted\. 2 scheduled jobs came back from disk/);
    await picture(back, "away-restarted-light-1280");
    await back.click("#away-close");
    await back.reload();
    await live(back);
    assert.equal(await back.locator("#away").count(), 0);

    await back.click("text=See all");
    await back.waitForSelector("main.history");
    // A busy machine may let a few more hours pass at once, later.
    const runs = await back.locator("main.history >> text=/hunger 0 to .* hours in one catch-up run/").allInnerTexts();
    assert.equal(runs.length, 1, runs.join());
    const [, to, missed] = /hunger 0 to (\d+): (\d+) hours in one/.exec(runs[0]);
    assert.ok(Number(missed) >= 7 && Number(to) === Math.min(10, Number(missed)), runs[0]);
  } finally {
    await game.stop();
  }
});

test("a connection that is open and silent is made anew", async () => {
  const game = await startGame(["--store", "memory:"]);
  try {
    await adopt(game.url, "Silent");
    const page = await visit(browser, game.url);
    await page.clock.install();
    let streams = 0;
    page.on("request", (request) => { if (request.url().includes("/events")) streams += 1; });
    await page.goto(`${game.url}/pet/Silent`);
    await live(page);
    // The page's clock leaps over the beats that would have come.
    await page.clock.fastForward(20_000);
    await page.waitForFunction(() => document.getElementById("live").dataset.state === "live");
    await page.clock.fastForward(40_000);
    await live(page);
    assert.ok(streams >= 2, `${streams} streams`);
  } finally {
    await game.stop();
  }
});

test("a player who comes back is told what happened meanwhile", async () => {
  const game = await startGame(["--store", "memory:", "--hunger-every", "300ms"]);
  try {
    const pet = await adopt(game.url, "Alone");
    const page = await visit(browser, game.url);
    const eightHoursAgo = Date.now() - 8 * 3600 * 1000;
    await page.context().addCookies([{ name: "seen", value: `${pet.id}~0~${eightHoursAgo}`, url: game.url }]);
    await written(game, "Alone", "An hour passed for Alone");
    await page.goto(`${game.url}/pet/Alone`);
    assert.match(await page.innerText("#away"), /While you were away \(8 h[\s\S]*game hours? went by/);
    await picture(page, "away-light-1280");
    await live(page);
    await page.click("#away-close");
    await page.reload();
    await live(page);
    assert.equal(await page.locator("#away").count(), 0);
  } finally {
    await game.stop();
  }
});
