// Whose pet: names, visitors, another device, the meadow, and several pets in one browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { live, visit } from "./browser.mjs";
import { act, adopt } from "./game.mjs";
import { stage } from "./stage.mjs";

let game, browser;
stage(["--store", "memory:", "--limits", "off", "--max-pets", "2"], (its) => ({ game, browser } = its));

/** Adopts by the form, so that this browser is the keeper's; hatched when it returns. */
async function adoptHere(page, name) {
  await page.goto(`${game.url}/adopt`);
  await page.fill("#name", name);
  await page.click("form .primary");
  await page.waitForURL(`**/pet/${name}`);
  await live(page);
}

test("a keeper renames its pet, and whoever looks is taken along", async () => {
  const [keeper, visitor] = [await visit(browser, game.url), await visit(browser, game.url)];
  await adoptHere(keeper, "Mochi");
  await visitor.goto(`${game.url}/pet/Mochi`);
  await live(visitor);
  await keeper.click("text=Settings of Mochi");
  await keeper.fill("#name", "Dango");
  await keeper.click("text=Rename");
  await keeper.waitForURL("**/pet/Dango/settings?saved=yes");
  await keeper.waitForSelector("[role=status] >> text=Saved.");
  await visitor.waitForURL("**/pet/Dango");
  await live(visitor);
  await visitor.waitForSelector("#log >> text=Mochi is called Dango now");
  await visitor.click("text=See all");
  await visitor.waitForSelector("main.history >> text=Dango moved in");
  assert.deepEqual([...keeper.complaints, ...visitor.complaints], []);
});

test("with look only a visitor's buttons say so, and its keeper's work", async () => {
  const keeper = await visit(browser, game.url);
  await adoptHere(keeper, "Shy");
  await keeper.click("text=Settings of Shy");
  await keeper.click("text=look only");
  await keeper.click("text=Save");
  await keeper.waitForSelector("[role=status] >> text=Saved.");
  const visitor = await visit(browser, game.url);
  await visitor.goto(`${game.url}/pet/Shy`);
  await live(visitor);
  await visitor.waitForSelector("form[data-action=play] [aria-disabled] >> text=its keeper only");
  assert.equal((await act(game.url, "Shy", "play")).status, 403);
  await keeper.goto(`${game.url}/pet/Shy`);
  await keeper.waitForSelector("form[data-action=play] button:not([aria-disabled])");
  // No hint to press what would be refused.
  const { key } = await adopt(game.url, "Seen");
  await fetch(`${game.url}/api/pets/Seen/visitors`, { method: "POST", headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" }, body: JSON.stringify({ visitors: "look" }) });
  await visitor.goto(`${game.url}/pet/Seen`);
  await visitor.waitForSelector("#hint >> text=Press a job to see the line that made it");
});

test("a one-time code makes another browser the keeper's", async () => {
  const [first, second] = [await visit(browser, game.url), await visit(browser, game.url)];
  await adoptHere(first, "Wanderer");
  await first.click("text=Settings of Wanderer");
  await first.click("text=Make a code");
  const link = await first.getAttribute("a[href*='?code=']", "href");
  assert.equal(await first.innerText("a[href*='?code=']"), game.url + link, "another device needs the whole of it");
  await second.goto(game.url + link);
  await second.click("button >> text=Keep Wanderer here");
  await second.waitForURL("**/pet/Wanderer");
  await second.waitForSelector("nav .pet-chip >> text=Wanderer");
  await second.goto(`${game.url}/pet/Wanderer/settings`);
  await second.waitForSelector("text=You are Wanderer’s keeper");
  await first.goto(`${game.url}/pet/Wanderer/settings`);
  await first.waitForSelector("text=You are visiting Wanderer");
});

test("a form of the settings says in place why it was refused, and keeps what was typed", async () => {
  const [keeper, visitor] = [await visit(browser, game.url), await visit(browser, game.url)];
  await adoptHere(keeper, "Plum");
  await keeper.goto(`${game.url}/pet/Plum/settings`);
  await keeper.fill("#name", "Plum & Co");
  await keeper.click("text=Rename");
  await keeper.waitForSelector("form [role=alert] >> text=A name has letters, digits, spaces, - and _ only");
  assert.equal(await keeper.inputValue("#name"), "Plum & Co");
  await visitor.goto(`${game.url}/pet/Plum/settings?code=AAAA-2222`);
  await visitor.click("button >> text=Keep Plum here");
  await visitor.waitForSelector("form [role=alert]:not(:empty)");
  assert.equal(await visitor.inputValue("#code"), "AAAA-2222");
});

test("a pet that is let go can be taken back", async () => {
  const page = await visit(browser, game.url);
  await adoptHere(page, "Rover");
  await page.click("text=Settings of Rover");
  await page.click("text=Let Rover go to the meadow");
  await page.waitForSelector("text=Rover lives in the meadow now");
  await page.click("text=Take Rover back");
  await page.waitForSelector("main[data-pet=Rover]");
  await live(page);
  await page.waitForSelector("#log >> text=Rover came back from the meadow");
  await page.waitForSelector("[data-row=grow_up]");
});

test("the pets of a browser are a key apart, and no more than are allowed", async () => {
  const page = await visit(browser, game.url, { viewport: { width: 390, height: 844 } });
  await adoptHere(page, "First-of-the-two-friends");
  await adoptHere(page, "Second-of-the-two");
  assert.equal(await page.locator("nav .pet-chip").count(), 2);
  // There is no room for both: the one on show is in sight.
  assert.ok(await page.evaluate(() => document.querySelector(".pet-chip[aria-current]").getBoundingClientRect().right <= innerWidth));
  const hour = () => page.getAttribute("[data-row=increase_hunger]", "data-key");
  const second = await hour();
  await page.keyboard.press("]");
  await page.waitForURL("**/pet/First-of-the-two-friends");
  await live(page);
  assert.notEqual(await hour(), second, "each has an hour of its own");
  await page.keyboard.press("[");
  await page.waitForURL("**/pet/Second-of-the-two");
  await live(page);
  await page.goto(game.url);
  await page.waitForURL("**/pet/Second-of-the-two");
  await page.goto(`${game.url}/lab`);
  await page.waitForSelector("text=Who comes along?");
  assert.equal(await page.getByRole("button", { name: /^Take (First|Second)-of-the-two.* to the lab$/ }).count(), 2);
  await page.goto(`${game.url}/adopt`);
  await page.fill("#name", "Three");
  await page.click("form .primary");
  await page.waitForSelector("#adopt-error >> text=as many as one browser can");
});
