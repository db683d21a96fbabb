// States that pass: an egg, a retry, a return after hours, the help, a lost connection. Each is accessible, in motion too.
import { after, afterEach, before, test } from "node:test";
import { act, adopt, leave, live, looksRight, startBrowser, startGame, visit } from "./game.mjs";

let game, browser, away;
before(async () => {
  browser = await startBrowser();
  game = await startGame(["--store", "memory:", "--limits", "off"]);
  away = await adopt(game.url, "Away", "bear", "butter");
  await act(game.url, "Away", "play");
  await act(game.url, "Away", "sleep");
  await act(game.url, "Away", "wake");
});
afterEach(() => leave(browser, game.url));
after(async () => {
  await browser?.close();
  await game?.stop();
});

/** Brings a new page into each state. */
const STATES = {
  async egg(page, name) {
    await page.goto(`${game.url}/adopt`);
    await page.fill("#name", name);
    await page.click("form .primary");
    await page.waitForURL("**/pet/**");
    await live(page);
    await page.waitForSelector("svg.pet[data-stage=egg]");
  },
  async retry(page) {
    await page.goto(`${game.url}/pet/Away`);
    await page.click("text=Take Away to the lab");
    await live(page);
    await page.click("text=Fail a job");
    await page.waitForSelector(".try-chip >> text=try 2 of 4");
  },
  async away(page) {
    const eightHoursAgo = Date.now() - 8 * 3600 * 1000;
    await page.context().addCookies([{ name: "seen", value: `${away.id}~0~${eightHoursAgo}`, url: game.url }]);
    await page.goto(`${game.url}/pet/Away`);
    await live(page);
    await page.waitForSelector("#away");
  },
  async help(page) {
    await page.goto(`${game.url}/pet/Away`);
    await live(page);
    await page.click("#explain");
    await page.waitForSelector("dialog[open] >> text=How it works");
  },
  async lost(page) {
    // As a proxy answers whose server is away.
    await page.route("**/events*", (route) => route.fulfill({ status: 503 }));
    await page.goto(`${game.url}/pet/Away`);
    await page.waitForSelector("#lost >> text=Connection lost");
    await page.waitForSelector("#live[data-state=reconnecting]");
  },
};

for (const colorScheme of ["light", "dark"]) {
  for (const [width, reducedMotion] of [[1280, "reduce"], [390, "no-preference"]]) {
    const motion = reducedMotion === "reduce" ? "still" : "moving";
    test(`egg, retry, return, help and lost connection are accessible, ${colorScheme} at ${width}, ${motion}`, async () => {
      const size = { width, height: width === 390 ? 844 : 900 };
      for (const [state, bring] of Object.entries(STATES)) {
        const page = await visit(browser, game.url, { colorScheme, viewport: size, reducedMotion, bypassCSP: true });
        await bring(page, `Egg ${colorScheme} ${width} ${motion}`.slice(0, 24));
        await looksRight(page, `${state}-${colorScheme}-${width}-${motion}`);
        await page.context().close();
      }
    });
  }

  test(`a page in motion is as accessible as a still one, ${colorScheme}`, async () => {
    const page = await visit(browser, game.url, { colorScheme, bypassCSP: true });
    for (const [name, path] of [["adopt", "/adopt"], ["awake", "/pet/Away"], ["entrance", "/lab"]]) {
      await page.goto(game.url + path);
      await looksRight(page, `${name}-${colorScheme}-1280-moving`);
    }
  });
}
