// States that pass: an egg, a retry, a return after hours, the help, a lost connection. Each is accessible, in motion too.
import { test } from "node:test";
import { MOVING, live, visit } from "./browser.mjs";
import { act, adopt } from "./game.mjs";
import { looksRightInBothThemes } from "./pictures.mjs";
import { stage } from "./stage.mjs";

let game, browser, away;
stage(["--store", "memory:", "--limits", "off"], async (its) => {
  ({ game, browser } = its);
  away = await adopt(game.url, "Away", "bear", "butter");
  for (const action of ["play", "sleep", "wake"]) await act(game.url, "Away", action);
});

/** Brings a page into each state, one after the other. */
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

for (const [width, height, reducedMotion] of [[1280, 900, "reduce"], [390, 844, "no-preference"]]) {
  test(`egg, retry, return, help and lost connection are accessible in both themes, at ${width}`, async () => {
    const page = await visit(browser, game.url, { viewport: { width, height }, reducedMotion, bypassCSP: true });
    for (const [state, bring] of Object.entries(STATES)) {
      await page.emulateMedia({ colorScheme: "light" });
      await bring(page, `Egg ${width}`);
      await looksRightInBothThemes(page, state);
    }
  });
}

test("a page in motion is as accessible as a still one", async () => {
  const page = await visit(browser, game.url, { ...MOVING, bypassCSP: true });
  for (const [name, path] of [["adopt", "/adopt"], ["awake", "/pet/Away"], ["entrance", "/lab"]]) {
    await page.emulateMedia({ colorScheme: "light" });
    await page.goto(game.url + path);
    await looksRightInBothThemes(page, `${name}-moving`);
  }
});
