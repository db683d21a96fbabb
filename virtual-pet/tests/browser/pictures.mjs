// Pictures of pages, kept in target/screenshots, and the audit of their accessibility.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./game.mjs";

const PICTURES = join(ROOT, "target/screenshots");
mkdirSync(PICTURES, { recursive: true });

/** As JPEG: a third of the processor time of PNG. */
export const picture = (page, name) => page.screenshot({ path: join(PICTURES, `${name}.jpg`), quality: 85 });

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };

/** Takes a picture; axe finds nothing against the page, and nothing sticks out. The visit wants `bypassCSP`, for axe. */
export async function looksRight(page, name) {
  await picture(page, name);
  if (!await page.evaluate(() => "axe" in window)) await page.evaluate(axe);
  const told = await page.evaluate(async (runOnly) => {
    // Without the details of what is right, which take as long again to collect, and without the style sheets, which only other rules read.
    const { violations } = await window.axe.run({ runOnly, resultTypes: ["violations"], preload: false });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`));
  }, RULES);
  assert.deepEqual(told, [], name);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${name} overflows sideways`);
}

/** The same page in either theme, one after the other, for scenes that stay as they are. */
export async function looksRightInBothThemes(page, scene) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await looksRight(page, `${scene}-${colorScheme}-${page.viewportSize().width}`);
  }
}
