// Lost connections, and restarts in the middle of a nap.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { adopt, freePort, live, picture, startBrowser, startGame, visit } from "./game.mjs";

let browser, folder;
before(async () => {
  browser = await startBrowser();
  folder = mkdtempSync(join(tmpdir(), "virtual-pet-"));
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Answers everything with 503, as a proxy does while the server restarts; counts. */
async function proxyWithoutServer(port) {
  const refused = { count: 0 };
  const server = createServer((request, response) => {
    refused.count += 1;
    response.writeHead(503).end();
  }).listen(port, "127.0.0.1");
  refused.close = () => { server.closeAllConnections(); return new Promise((done) => server.close(done)); };
  return refused;
}

test("a killed server is told of, 503s do not end it, and the nap goes on where it was", async () => {
  const port = await freePort();
  const options = ["--data", folder, "--nap", "6s"];
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

  const refused = await proxyWithoutServer(port);
  while (refused.count < 2) await page.waitForTimeout(50);
  await refused.close();

  game = await startGame(options, port);
  try {
    await live(page);
    assert.equal(await page.isVisible("#lost"), false);
    await page.waitForSelector("#stage[data-asleep=false]");
    await page.waitForSelector("#log >> text=Wake up: finished");
    const lines = await page.locator("#log li").evaluateAll((lines) => lines.map((line) => line.dataset.key));
    assert.equal(new Set(lines).size, lines.length, "no line twice");
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
    let hunger = 0;
    while (hunger < 2) ({ hunger } = await (await fetch(`${game.url}/api/pets/Alone`)).json());
    await page.goto(`${game.url}/pet/Alone`);
    assert.match(await page.innerText("#away"), /While you were away \(8 h[\s\S]*game hours passed/);
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
