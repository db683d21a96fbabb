// Draws the pictures that links to a pet bring along, with the page's own drawing: `npm run portraits`, after that has changed.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startBrowser, visit } from "./browser.mjs";
import { startGame } from "./game.mjs";

const ASSETS = join(dirname(fileURLToPath(import.meta.url)), "../../assets");
const COATS = { cat: "peach", bunny: "lilac", bear: "cocoa", axolotl: "mint", crab: "coral" };
const FRAME = `
  .stage { position: fixed !important; inset: 0; z-index: 99; width: 1200px; height: 630px; aspect-ratio: auto !important; }
  .stage .pat { width: 46%; bottom: 2%; } .dots { display: none; } .stage * { transition: none !important; }`;

const [game, browser] = await Promise.all([startGame(["--store", "memory:"]), startBrowser()]);
const page = await visit(browser, game.url, { viewport: { width: 1200, height: 630 }, reducedMotion: "reduce", bypassCSP: true });
await page.goto(`${game.url}/adopt`);
await page.addStyleTag({ content: FRAME });
for (const [species, coat] of Object.entries(COATS)) {
  await page.evaluate(([species, coat]) => {
    document.querySelector(`[name=species][value=${species}]`).click();
    document.querySelector(`[name=colour][value=${coat}]`).click();
    document.querySelector(".stage").dataset.phase = "day";
    delete document.querySelector(".stage .pet").dataset.act;
  }, [species, coat]);
  await page.screenshot({ path: join(ASSETS, `portrait-${species}.png`) });
}
await browser.close();
await game.stop();
