// A link to a pet: copied by a press, and what a message shows of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { live, visit } from "./browser.mjs";
import { adopt } from "./game.mjs";
import { stage } from "./stage.mjs";

let game, browser;
stage(["--store", "memory:", "--trusted-proxy", "127.0.0.1"], (its) => ({ game, browser } = its));

test("a link to a pet brings a picture of its kind along, from this server", async () => {
  for (const species of ["cat", "bunny", "bear", "axolotl", "crab"]) {
    const name = `A ${species}`;
    await adopt(game.url, name, species, "mint");
    const path = `/pet/${encodeURIComponent(name)}`;
    const html = await (await fetch(game.url + path)).text();
    const property = (wanted) => new RegExp(`property="${wanted}" content="([^"]*)"`).exec(html)?.[1];
    assert.equal(property("og:title"), name);
    assert.equal(property("og:url"), game.url + path);
    const picture = property("og:image");
    assert.ok(picture.startsWith(`${game.url}/static/`), picture);
    const answer = await fetch(picture);
    assert.equal(answer.headers.get("content-type"), "image/png");
    const bytes = new DataView(await answer.arrayBuffer());
    assert.deepEqual([bytes.getUint32(16), bytes.getUint32(20)], [1200, 630]);
  }
  const behindTls = await fetch(`${game.url}/pet/A%20cat`, { headers: { "X-Forwarded-Proto": "https" } });
  assert.match(await behindTls.text(), /property="og:image" content="https:\/\/127/);
});

test("a press copies the link", async () => {
  await adopt(game.url, "Mochi é");
  const page = await visit(browser, game.url, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.goto(`${game.url}/pet/${encodeURIComponent("Mochi é")}`);
  await live(page);
  await page.click("#share");
  await page.waitForSelector(".toast >> text=The link to Mochi é is copied.");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${game.url}/pet/${encodeURIComponent("Mochi é")}`);
});
