// Widths, themes, motion, accessibility, weight.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MOVING, live, visit } from "./browser.mjs";
import { act, adopt } from "./game.mjs";
import { looksRightInBothThemes } from "./pictures.mjs";
import { stage } from "./stage.mjs";

const SCENES = [["adopt", "/adopt"], ["happy", "/pet/Happy"], ["asleep", "/pet/Asleep"], ["hungry", "/pet/Hungry"], ["tired", "/pet/Tired"], ["nobody", "/pet/Nobody"], ["link", "/feed_pet/Happy"], ["history", "/pet/Hungry/history"], ["settings", "/pet/Happy/settings"], ["meadow", "/pet/Gone"], ["offline", "/offline"]];
const STILL = new Set(["nobody", "history", "settings", "meadow"]);

let game, browser;
stage(["--store", "memory:", "--limits", "off"], async (its) => {
  ({ game, browser } = its);
  await adopt(game.url, "Happy", "axolotl", "sky");
  await adopt(game.url, "Asleep", "bunny", "mint");
  await act(game.url, "Asleep", "sleep");
  const gone = await adopt(game.url, "Gone", "bear", "cocoa");
  await fetch(`${game.url}/api/pets/Gone`, { method: "DELETE", headers: { Authorization: `Bearer ${gone.key}` } });
  await adopt(game.url, "Tired", "bear", "butter");
  for (let n = 0; n < 4; n++) await act(game.url, "Tired", "play");
  // Eight plays need two naps, ended by hand.
  await adopt(game.url, "Hungry", "crab", "coral");
  for (let n = 0; n < 8; n++) {
    const played = await act(game.url, "Hungry", "play");
    if (played.status === 409) {
      for (const action of ["sleep", "wake", "play"]) await act(game.url, "Hungry", action);
    }
  }
});

for (const width of [1280, 390]) {
  test(`every page is accessible and fits in both themes, at ${width}`, async () => {
    const page = await visit(browser, game.url, { viewport: { width, height: width === 390 ? 844 : 900 }, bypassCSP: true });
    for (const [name, path] of SCENES) {
      await page.goto(game.url + path);
      if (path.startsWith("/pet/") && !STILL.has(name)) await live(page);
      await looksRightInBothThemes(page, name);
    }
  });
}

for (const width of [320, 768, 1080, 1920]) {
  test(`nothing overflows at ${width}`, async () => {
    const page = await visit(browser, game.url, { viewport: { width, height: 800 } });
    for (const path of ["/adopt", "/pet/Asleep"]) {
      await page.goto(game.url + path);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), path);
    }
  });
}

test("on a phone the three buttons are within reach and large enough", async () => {
  const page = await visit(browser, game.url, { viewport: { width: 390, height: 844 }, hasTouch: true });
  await page.goto(`${game.url}/pet/Happy`);
  await live(page);
  // In one step: a patch may put other nodes in their places at any time.
  const boxes = await page.evaluate(() => [...document.querySelectorAll(".action")].map((one) => one.getBoundingClientRect().toJSON()));
  assert.equal(boxes.length, 3);
  for (const box of boxes) {
    assert.ok(box.bottom <= 844 && box.top > 500 && box.height >= 44 && box.width >= 44, JSON.stringify(box));
  }
});

test("a desktop's screen holds the whole page, down to the door of the lab", async () => {
  const page = await visit(browser, game.url);
  for (const name of ["Happy", "Asleep"]) {
    await page.goto(`${game.url}/pet/${name}`);
    await live(page);
    const bottom = await page.evaluate(() => document.querySelector(".door").getBoundingClientRect().bottom);
    assert.ok(bottom <= 900, `${name}: the door ends at ${bottom}`);
  }
});

test("on a phone sound and help are in a menu, and act from there", async () => {
  const page = await visit(browser, game.url, { viewport: { width: 390, height: 844 }, hasTouch: true });
  await page.goto(`${game.url}/pet/Happy`);
  await live(page);
  assert.equal(await page.isVisible("#sound"), false);
  await page.tap("#more-button");
  await page.tap("#sound");
  assert.equal(await page.getAttribute("#sound", "aria-pressed"), "true");
  await page.tap("#help-button");
  await page.waitForSelector("dialog[open] >> text=a job waits for its time");
  assert.equal(await page.isVisible("#sound"), false, "the menu gave way");
});

test("every page keeps the strict policy: no style, no handler in its text", async () => {
  for (const [name, path] of SCENES) {
    const response = await fetch(game.url + path, { headers: { Accept: "text/html", "Accept-Language": "en" } });
    const html = await response.text();
    assert.match(html, /<!DOCTYPE html>/, name);
    assert.doesNotMatch(html, /<[^>]*\s(style|on[a-z]+)=/i, name);
    assert.match(response.headers.get("content-security-policy"), /default-src 'none'; script-src 'self'; style-src 'self'/);
  }
});

test("wherever the keyboard goes on a pet's page, one sees it", async () => {
  const page = await visit(browser, game.url);
  await page.goto(`${game.url}/pet/Happy`);
  await live(page);
  const seen = new Set();
  for (let n = 0; n < 60; n++) {
    await page.keyboard.press("Tab");
    const { what, visible } = await page.evaluate(() => {
      const node = document.activeElement;
      const ringed = node.closest("label") ?? node;
      const rings = [node, ringed].map((one) => getComputedStyle(one)).some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
      return { what: node === document.body ? "" : node.outerHTML.slice(0, 90), visible: rings };
    });
    if (!what || seen.has(what)) break;
    assert.ok(visible, what);
    seen.add(what);
  }
  const all = [...seen].join();
  for (const part of ["data-kind=\"feed\"", "data-kind=\"sleep\"", "id=\"theme\"", "data-select", "history"]) assert.ok(all.includes(part), part);
});

test("the switch for calm stops all motion, and stays", async () => {
  const page = await visit(browser, game.url, MOVING);
  await page.goto(`${game.url}/pet/Happy`);
  await live(page);
  const moving = () => page.evaluate(() => document.getAnimations().filter((one) => one.playState === "running").length);
  assert.ok(await moving() > 0);
  await page.click("#help-button");
  await page.check("#calm-on");
  assert.equal(await moving(), 0);
  await page.reload();
  await live(page);
  assert.equal(await moving(), 0);
});

test("what moves for ever leaves the page idle: it moves by transform and opacity, which are not laid out anew for each frame", async () => {
  const page = await visit(browser, game.url, MOVING);
  for (const path of ["/adopt", "/pet/Happy", "/pet/Asleep", "/pet/Hungry", "/pet/Tired"]) {
    await page.goto(game.url + path);
    const moved = await page.evaluate(() => {
      const endless = document.getAnimations().filter(({ effect }) => effect.getTiming().iterations === Infinity);
      const named = new Set(["offset", "computedOffset", "easing", "composite"]);
      return [...new Set(endless.flatMap(({ effect }) => effect.getKeyframes().flatMap((frame) => Object.keys(frame).filter((key) => !named.has(key)))))];
    });
    assert.ok(moved.includes("transform"), path);
    assert.deepEqual(moved.filter((property) => !["transform", "opacity"].includes(property)), [], path);
  }
});

test("with reduced motion nothing moves", async () => {
  const page = await visit(browser, game.url, { reducedMotion: "reduce" });
  for (const path of ["/pet/Happy", "/pet/Asleep", "/pet/Hungry"]) {
    await page.goto(game.url + path);
    await live(page);
    assert.equal(await page.evaluate(() => document.getAnimations().filter((one) => one.playState === "running").length), 0, path);
  }
});

test("the theme is the system's until it is chosen, and then stays", async () => {
  const page = await visit(browser, game.url, { colorScheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await page.goto(`${game.url}/pet/Happy`);
  assert.equal(await ground(), "rgb(23, 19, 39)");
  await page.click("#theme");
  assert.equal(await ground(), "rgb(251, 243, 231)");
  await page.reload();
  assert.equal(await page.getAttribute("html", "data-theme"), "light");
});

/** The colours of the page's upper right corner in all frames that are painted meanwhile, each as its brightness of 0 to 255. */
async function painted(page, meanwhile) {
  const session = await page.context().newCDPSession(page);
  const frames = [];
  session.on("Page.screencastFrame", ({ data, sessionId }) => {
    frames.push(data);
    session.send("Page.screencastFrameAck", { sessionId }).catch(() => {});
  });
  await session.send("Page.startScreencast", { format: "png", maxWidth: 128, maxHeight: 128 });
  await meanwhile();
  await session.send("Page.stopScreencast");
  await session.detach();
  await page.goto("about:blank");
  return page.evaluate((frames) => Promise.all(frames.map(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const [red, green, blue] = canvas.getImageData(image.width - 1, 0, 1, 1).data;
    return Math.round((red + green + blue) / 3);
  })), frames);
}

for (const [colorScheme, theme] of [["light", "dark"], ["dark", "light"]]) {
  test(`whoever chose ${theme} sees no frame of the ${colorScheme} theme of the system, however slow the style sheets are`, async () => {
    const page = await visit(browser, game.url, { colorScheme });
    await page.context().addCookies([{ name: "theme", value: theme, url: game.url }]);
    await page.goto(`${game.url}/adopt`);
    await page.route("**/*.css", async (route) => { await new Promise((done) => setTimeout(done, 150)); await route.continue(); });
    const frames = await painted(page, async () => {
      for (const path of ["/pet/Happy", "/pet/Happy/settings", "/pet/Happy"]) await page.goto(game.url + path);
      await live(page);
    });
    console.log(`brightness of ${frames.length} frames: ${frames.join(" ")}`);
    assert.ok(frames.length >= 3);
    assert.deepEqual(frames.filter((brightness) => theme === "dark" ? brightness > 60 : brightness < 200), []);
    await page.goto(`${game.url}/pet/Happy`);
    const bars = () => page.locator("meta[name=theme-color]").evaluateAll((all) => all.map(({ content, media }) => content + media));
    assert.deepEqual(await bars(), [theme === "dark" ? "#171327" : "#FBF3E7"], "a phone's bars too");
    await page.click("#theme");
    assert.deepEqual(await bars(), [theme === "dark" ? "rgb(251, 243, 231)" : "rgb(23, 19, 39)"]);
  });
}

test("the theme is turned on every page", async () => {
  const page = await visit(browser, game.url);
  for (const path of ["/adopt", "/lab", "/pet/Gone", "/pet/Happy/settings", "/pet/Nobody"]) {
    await page.goto(game.url + path);
    const before = await page.getAttribute("html", "data-theme") ?? "light";
    await page.click("#theme");
    assert.notEqual(await page.getAttribute("html", "data-theme"), before, path);
  }
});

test("sound is off at first, needs a gesture, and stays as it was set", async () => {
  const page = await visit(browser, game.url);
  await page.addInitScript(() => {
    const Real = window.AudioContext;
    window.contexts = 0;
    window.AudioContext = class extends Real { constructor() { super(); window.contexts += 1; } };
  });
  await page.goto(`${game.url}/pet/Happy`);
  await live(page);
  assert.equal(await page.getAttribute("#sound", "aria-pressed"), "false");
  assert.equal(await page.evaluate(() => window.contexts), 0);
  for (const on of ["true", "false"]) {
    await page.keyboard.press("m");
    assert.equal(await page.getAttribute("#sound", "aria-pressed"), on);
  }
  await page.click("#sound");
  assert.equal(await page.evaluate(() => window.contexts), 1);
  await page.reload();
  assert.equal(await page.getAttribute("#sound", "aria-pressed"), "true");
});

test("a first visit weighs at most 120 kB without fonts, and asks nobody else", async () => {
  const page = await visit(browser, game.url, { serviceWorkers: "allow" });
  const session = await page.context().newCDPSession(page);
  const kinds = new Map();
  const bytes = { fonts: 0, rest: 0 };
  await session.send("Network.enable");
  session.on("Network.responseReceived", ({ requestId, type }) => kinds.set(requestId, type));
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => { bytes[kinds.get(requestId) === "Font" ? "fonts" : "rest"] += encodedDataLength; });
  await page.goto(`${game.url}/pet/Happy`, { waitUntil: "load" });
  await live(page);
  console.log(`a first visit: ${bytes.rest} bytes and ${bytes.fonts} bytes of fonts`);
  assert.ok(bytes.rest > 10_000 && bytes.rest <= 120_000);
  assert.ok(await page.evaluate(() => document.fonts.ready.then((fonts) => [...fonts].every(({ status }) => status === "loaded"))), "both fonts came from the program");
  assert.deepEqual(page.foreign, []);
  assert.deepEqual(page.complaints, []);
});

test("it can be installed, and without a connection it says so", async () => {
  const page = await visit(browser, game.url, { serviceWorkers: "allow" });
  await page.goto(`${game.url}/pet/Happy`);
  const manifest = await (await fetch(`${game.url}/manifest.webmanifest`)).json();
  for (const icon of manifest.icons) assert.equal((await fetch(game.url + icon.src)).status, 200, icon.src);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  await page.reload();
  await live(page);
  const kept = await page.evaluate(async () => {
    const requests = await Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).keys()));
    return requests.flat().map(({ url }) => new URL(url).pathname);
  });
  assert.deepEqual(kept.filter((path) => !path.startsWith("/static/")), ["/offline"], "no page of a pet is kept, and no stream");
  await page.click("#theme");
  await page.waitForFunction(async () => (await (await caches.match("/offline")).text()).includes('data-theme="dark"'));
  await page.context().setOffline(true);
  await page.goto(`${game.url}/pet/Asleep`);
  assert.match(await page.innerText("main"), /Your pet is safe on the server/);
  assert.equal(await page.getAttribute("html", "data-theme"), "dark", "in the theme that was chosen");
});
