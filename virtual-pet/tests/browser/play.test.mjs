// From adoption to a woken pet, as a player does it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MOVING, live, visit } from "./browser.mjs";
import { act, adopt, startGame } from "./game.mjs";
import { picture } from "./pictures.mjs";
import { stage } from "./stage.mjs";

let game, browser;
stage(["--store", "memory:", "--nap", "4s", "--limits", "off"], (its) => ({ game, browser } = its));

const button = (page, action) => page.locator(`form[data-action=${action}] button`);
const gauge = async (page, kind) => Number(await page.getAttribute(`[data-kind=${kind}] [role=meter]`, "aria-valuenow"));
/** Both gauges: what a screen reader is told, how many pips are filled, the number beside them. */
const gauges = (page) => page.locator("#gauges .gauge").evaluateAll((all) => all.map((one) => [one.querySelector("[role=meter]").getAttribute("aria-valuenow"), String(one.querySelectorAll(".pip[data-on]").length), one.querySelector("strong").textContent]));
const untilGauge = (page, kind, value) => page.waitForSelector(`[data-kind=${kind}] [aria-valuenow="${value}"]`);

test("a bunny is adopted, hatches by its job, plays, sleeps and is woken by its job", async () => {
  const page = await visit(browser, game.url, { ...MOVING, serviceWorkers: "allow" });
  await page.goto(game.url);
  await page.check("[name=species][value=bunny]", { force: true });
  await page.check("[name=colour][value=lilac]", { force: true });
  await page.fill("#name", "Mochi");
  await page.waitForSelector("#preview [data-species=bunny][data-coat=lilac]");
  await picture(page, "adopt-light-1280");
  await page.click("form .primary");
  await page.waitForURL("**/pet/Mochi");
  await page.waitForSelector("svg.pet[data-species=bunny][data-coat=lilac][data-stage=egg]");
  assert.equal(await page.locator("[data-row]").count(), 3);
  assert.equal(await button(page, "feed").getAttribute("aria-disabled"), "true");
  assert.match(await button(page, "feed").innerText(), /after hatching/);
  await live(page);
  assert.deepEqual(await gauges(page), [["0", "0", "0"], ["10", "10", "10"]]);
  await picture(page, "egg-light-1280");

  await page.waitForSelector("svg.pet[data-hatching] .crack-3");
  await picture(page, "hatching-light-1280");
  await page.waitForSelector("svg.pet[data-stage=hatchling]:not([data-hatching])");
  await page.waitForSelector("#log >> text=Mochi hatched");
  await page.waitForSelector("form[data-action=feed] button:not([aria-disabled])");
  assert.deepEqual(await page.locator("#growth [aria-current]").allInnerTexts(), ["Hatchling"]);
  await picture(page, "hatched-light-1280");

  await button(page, "play").click();
  await untilGauge(page, "energy", 8);
  assert.deepEqual(await gauges(page), [["1", "1", "1"], ["8", "8", "8"]]);
  await picture(page, "playing-light-1280");
  await button(page, "feed").click();
  await page.waitForSelector(".pet[data-act=eating]");
  assert.match(await page.innerText("#bubble"), /Nom nom nom!|Yum!/);
  await untilGauge(page, "hunger", 0);
  await page.waitForSelector(".pet[data-mood=happy]:not([data-act])");

  await button(page, "sleep").click();
  await page.waitForSelector("#stage[data-asleep=true] .pet[data-mood=asleep]");
  await page.waitForSelector("[data-row=wake_pet]");
  assert.match(await page.innerText("#code .listing[data-first] .rust"), /enqueue_in[\s\S]*"Mochi"/);
  assert.match(await button(page, "feed").innerText(), /after the nap/);
  await picture(page, "sleep-pressed-light-1280");

  await page.waitForSelector("#stage[data-asleep=false] .pet[data-mood=happy]");
  assert.equal(await gauge(page, "energy"), 10);
  assert.equal(await page.locator("[data-row=wake_pet]").count(), 0);
  await page.waitForSelector("#log >> text=Wake up: finished");
  assert.deepEqual(page.complaints, []);
  assert.deepEqual(page.foreign, []);
});

test("a button that is off explains itself and changes nothing", async () => {
  await adopt(game.url, "Tired", "bear", "cocoa");
  for (let n = 0; n < 5; n++) await act(game.url, "Tired", "play");
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/pet/Tired`);
  await live(page);
  assert.match(await button(page, "play").innerText(), /needs 2 energy/);
  // The browser counts aria-disabled as off; a player may press it all the same.
  await button(page, "play").click({ force: true });
  await page.waitForSelector(".pet[data-act=refuse]");
  await page.waitForSelector("#sr >> text=I need 2 energy for that");
  assert.equal(await page.innerText("#bubble"), "I need 2 energy for that. A nap helps.");
  assert.equal(await gauge(page, "energy"), 0);
  assert.deepEqual(page.complaints, []);
});

test("a pet that is fed though it is full says so, and the bowl shows how hungry it is", async () => {
  await adopt(game.url, "Bowl", "bear", "cocoa");
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/pet/Bowl`);
  await live(page);
  await button(page, "feed").click();
  await page.waitForSelector("#bubble >> text=I am full, but thank you.");
  assert.equal(await gauge(page, "hunger"), 0);
  const heap = () => page.evaluate(() => { const { transform, opacity } = getComputedStyle(document.querySelector(".food")); return [transform, opacity].join(" "); });
  assert.equal(await heap(), "none 1");
  for (let hunger = 0; hunger < 4; hunger++) {
    if (hunger === 3) await act(game.url, "Bowl", "sleep").then(() => act(game.url, "Bowl", "wake"));
    await act(game.url, "Bowl", "play");
  }
  await page.waitForSelector(".pet[data-mood=peckish]:not([data-act])");
  await page.waitForFunction(() => getComputedStyle(document.querySelector(".food")).transform === "matrix(1, 0, 0, 0.55, 0, 0)");
});

test("whoever is patted answers: an egg, one that is awake, and a sleeper, who sleeps on", async () => {
  const page = await visit(browser, game.url, MOVING);
  await page.goto(`${game.url}/adopt`);
  await page.waitForSelector("#preview-says >> text=Take me home?");
  await page.fill("#name", "Patted");
  assert.equal(await page.innerText("#preview-says"), "Patted? I like it!");
  await page.click("form .primary");
  await page.waitForURL("**/pet/Patted");
  await live(page);
  // In one step each: what a pat shows is soon over, and the egg hatches meanwhile.
  const pat = () => page.evaluate(() => {
    const pet = document.querySelector(".stage .pet");
    document.getElementById("pat").click();
    const shows = (part) => getComputedStyle(pet.querySelector(part)).display !== "none";
    return { ...pet.dataset, says: document.getElementById("bubble").textContent, hearts: shows(".hearts"), blanket: shows(".blanket") };
  });
  const knocked = await pat();
  assert.ok("knocked" in knocked && knocked.stage === "egg" && !knocked.hearts, JSON.stringify(knocked));
  await page.waitForSelector("svg.pet[data-stage=hatchling]:not([data-act], [data-hatching])");
  const patted = await pat();
  assert.ok(patted.act === "patted" && patted.hearts && !patted.blanket, JSON.stringify(patted));
  await button(page, "sleep").click();
  await page.waitForSelector("#stage[data-asleep=true] .pet[data-mood=asleep]:not([data-act])");
  const dreaming = await pat();
  assert.ok("dreaming" in dreaming && dreaming.hearts && dreaming.blanket && !dreaming.act, JSON.stringify(dreaming));
  assert.match(dreaming.says, /Mmm…|Purr…/);
  await page.waitForSelector(".pet:not([data-dreaming]) .zzz");
  assert.deepEqual(page.complaints, []);
});

test("waking by hand cancels the job", async () => {
  const slow = await startGame(["--store", "memory:"]);
  try {
    await adopt(slow.url, "Mochi");
    const page = await visit(browser, slow.url);
    await page.goto(`${slow.url}/pet/Mochi`);
    await live(page);
    await button(page, "sleep").click();
    await page.waitForSelector("[data-row=wake_pet]");
    // Meanwhile the keyboard reaches what is off, and a press of it explains and sends nothing.
    const sent = [];
    page.on("request", (request) => { if (request.method() === "POST") sent.push(request.url()); });
    await page.focus("#share");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.dataset.kind), "feed");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#bubble >> text=Zzz… after my nap.");
    await page.keyboard.press("p");
    assert.deepEqual(sent, []);
    await button(page, "wake").click();
    await page.waitForSelector("#stage[data-asleep=false]");
    await page.waitForSelector("#log >> text=Wake up: canceled");
    assert.equal(await page.locator("[data-row=wake_pet]").count(), 0);
  } finally {
    await slow.stop();
  }
});

test("without a script the page is whole, and its forms act", async () => {
  await adopt(game.url, "Plain", "crab", "coral");
  const page = await visit(browser, game.url, { javaScriptEnabled: false });
  await page.goto(`${game.url}/pet/Plain`);
  await page.waitForSelector("svg.pet[data-species=crab]");
  // Nobody can put tokens in their places: words tell when, and no token says "now".
  assert.match(await page.innerText("[data-row=increase_hunger]"), /1 h|59 min|59:\d\d|60:00/);
  assert.equal(await page.locator(".track .token:not(.empty) >> visible=true").count(), 0);
  await button(page, "play").click();
  await page.waitForURL("**/pet/Plain");
  assert.equal(await gauge(page, "energy"), 8);
  await button(page, "feed").click();
  assert.equal(await gauge(page, "hunger"), 0);
  await button(page, "sleep").click();
  await page.waitForSelector("#stage[data-asleep=true]");
  await picture(page, "no-script-1280");
  await button(page, "feed").click({ force: true });
  await page.waitForSelector("text=is asleep: try again in");
  await page.click("text=Back to Plain");
  await page.goto(`${game.url}/adopt`);
  await page.fill("#name", "By hand");
  await page.click("form .primary");
  await page.waitForURL("**/pet/By%20hand");
  await page.waitForSelector(".pet[data-stage=egg]");
});

test("a link to an action acts only once its button is pressed", async () => {
  await adopt(game.url, "Linked");
  await act(game.url, "Linked", "play");
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/feed_pet/Linked`);
  const pet = async () => (await fetch(`${game.url}/api/pets/Linked`)).json();
  assert.equal((await pet()).hunger, 1);
  await page.click("main button");
  await page.waitForURL("**/pet/Linked");
  assert.equal((await pet()).hunger, 0);
});

test("with the keyboard alone one adopts, feeds, plays and puts to sleep", async () => {
  const page = await visit(browser, game.url, MOVING);
  await page.goto(`${game.url}/adopt`);
  await page.focus("[name=species]:checked");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Keys fps");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/pet/Keys%20fps");
  await page.waitForSelector("form[data-action=play] button:not([aria-disabled])");
  await page.keyboard.press("p");
  await untilGauge(page, "energy", 8);
  await page.focus("form[data-action=feed] button");
  await page.keyboard.press("Enter");
  await untilGauge(page, "hunger", 0);
  await page.keyboard.press("?");
  await page.waitForSelector("dialog[open]");
  // Switched off, a single key does nothing; what the key after it does shows that the page has looked at both.
  await page.uncheck("#keys-on");
  await page.keyboard.press("Escape");
  await page.keyboard.press("s");
  await page.keyboard.press("?");
  assert.equal(await page.locator("dialog[open]").count(), 0);
  await page.click("#help-button");
  await page.check("#keys-on");
  await page.keyboard.press("Escape");
  assert.equal(await page.getAttribute("#stage", "data-asleep"), "false");
  await page.keyboard.press("s");
  await page.waitForSelector("#stage[data-asleep=true]");
  assert.deepEqual(page.complaints, []);
});

test("focus stays where it is while the page changes", async () => {
  await adopt(game.url, "Focus");
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/pet/Focus`);
  await live(page);
  await page.focus("form[data-action=play] button");
  for (let n = 0; n < 10; n++) await act(game.url, "Focus", n % 2 ? "feed" : "play");
  await untilGauge(page, "energy", 0);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.kind), "play");
});

test("a name of letters, spaces and accents is shown as it is", async () => {
  await adopt(game.url, "A B-é_1");
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/pet/${encodeURIComponent("A B-é_1")}`);
  await live(page);
  assert.equal(await page.innerText("h1"), "A B-é_1");
  assert.match(await page.title(), /A B-é_1/);
  assert.match(await page.innerText("#code .listing[data-first] .rust"), /"A B-é_1"/);
  assert.match(await page.innerText("#log"), /A B-é_1 moved in/);
  await page.goto(`${game.url}/pet/${encodeURIComponent("<img src=x onerror=alert(1)>")}`);
  assert.match(await page.innerText("main"), /<img src=x/);
});

test("the tabs of a browser share one stream, and all are live", async () => {
  await adopt(game.url, "Tabs");
  const first = await visit(browser, game.url);
  const streams = new Set();
  first.context().on("request", (request) => { if (request.url().includes("/events")) streams.add(request); });
  const pages = [first, ...await Promise.all(Array.from({ length: 7 }, () => first.context().newPage()))];
  for (const page of pages) await page.goto(`${game.url}/pet/Tabs`);
  for (const page of pages) await live(page);
  assert.equal(streams.size, 1);
  await act(game.url, "Tabs", "play");
  for (const page of pages) await untilGauge(page, "energy", 8);
  await first.close();
  await act(game.url, "Tabs", "play");
  for (const page of pages.slice(1)) await untilGauge(page, "energy", 6);
});
