// A real Chromium, and its visitors.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

/** How it is started. */
export const OPTIONS = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"], // Containers have no user namespaces; the pages are our own.
};

/** The browser that `run.mjs` shares among the files, or one of our own. */
export const startBrowser = () => process.env.BROWSER ? chromium.connect(process.env.BROWSER) : chromium.launch(OPTIONS);

// What the browser says when it is told to do without the service worker.
const NO_WORKER = "Service Worker registration blocked by Playwright";

/**
 * For a visitor who sees what moves. All others ask for calm: a room drawn sixty times a second costs a seventh of a core, and nobody looks.
 * What is shown is the same, less the flights and the pauses for them.
 */
export const MOVING = { reducedMotion: "no-preference" };

/** Pages whose visitors have left, by the options that they had: another one may have them. A new page costs three times as much. */
const vacant = new Map();

/**
 * A page of a new visitor. Whatever it complains of is in `complaints`. As in a private window there is no service worker, unless
 * `serviceWorkers` is "allow": each visitor's would load all files once more.
 */
export async function visit(browser, url, options = {}) {
  const kind = JSON.stringify(options);
  const page = vacant.get(kind)?.pop() ?? await open(browser, options);
  Object.assign(page, { kind, home: url, isVacant: false, complaints: [], foreign: [], isSpent: options.serviceWorkers === "allow" });
  return page;
}

async function open(browser, options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, serviceWorkers: "block", reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.on("console", (message) => { if (["error", "warning"].includes(message.type()) && message.text() !== NO_WORKER) page.complaints.push(message.text()); });
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("request", (request) => { if (!request.url().startsWith(page.home) && !request.url().startsWith("data:")) page.foreign.push(request.url()); });
  page.setDefaultTimeout(20000);
  // What these do cannot be undone.
  for (const [owner, verb] of [[page, "addInitScript"], [page, "route"], [page, "setViewportSize"], [page.clock, "install"], [context, "newPage"], [context, "setOffline"]]) {
    const does = owner[verb].bind(owner);
    owner[verb] = (...given) => { page.isSpent = true; return does(...given); };
  }
  return page;
}

/** What the counters of a live page say, and what the server's API does; null if it is not live, or its server has gone. */
const counters = (page) => page.evaluate(async () => {
  const home = document.querySelector("main[data-pet]");
  if (!home || window.deaf || document.getElementById("live").dataset.state !== "live") return null;
  const told = await fetch("lab" in home.dataset ? "/lab/jobs" : `/api/pets/${encodeURIComponent(home.dataset.pet)}/jobs`).catch(() => null);
  if (!told?.ok) return null;
  const shown = [...document.querySelectorAll("#counters strong")].map((one) => Number(one.textContent));
  const { scheduled, queued, started, failed } = (await told.json()).counts;
  return { shown, stored: [scheduled, queued, started, failed] };
});

/** The counters of a page are those of the store, as soon as what happened last has reached it. */
export async function countersAreTrue(page) {
  const until = Date.now() + 5000;
  for (;;) {
    const told = await counters(page);
    if (!told || String(told.shown) === String(told.stored)) return;
    assert.ok(Date.now() < until, `scheduled, queued, running, failed: the page says ${told.shown}, the store ${told.stored}`);
    await page.waitForTimeout(50);
  }
}

/**
 * The end of every scene: what its pages count is true. Then its visitors leave, also the lab of the game at `url`: what is left open goes on,
 * and takes time from the others.
 */
export const leave = (browser, url) => Promise.all(browser.contexts().map(async (context) => {
  if (context.pages().some((page) => page.isVacant)) return;
  await Promise.all(context.pages().map(countersAreTrue));
  const world = url && (await context.cookies(`${url}/lab`)).find(({ name }) => name === "lab");
  // In this order: a page whose world has gone goes elsewhere, and one that is on its way may never close.
  await vacate(context);
  if (world) await fetch(`${url}/lab/leave`, { method: "POST", headers: { Cookie: `lab=${world.value}` }, redirect: "manual" });
}));

/** Leaves nothing of its visitor behind: empties the page if that can be done, else closes it. */
async function vacate(context) {
  const [page] = context.pages();
  if (!page?.kind || page.isSpent) return context.close();
  await page.evaluate(() => { if (location.protocol === "http:") localStorage.clear(); });
  await page.goto("about:blank");
  // A page writes down when it was left.
  await context.clearCookies();
  const { colorScheme = "light", reducedMotion = "reduce" } = JSON.parse(page.kind);
  await page.emulateMedia({ colorScheme, reducedMotion });
  page.isVacant = true;
  vacant.set(page.kind, [...(vacant.get(page.kind) ?? []), page]);
}

/** A page in a new world of the lab, with a copy of the pet. */
export async function enter(browser, url, name, options = {}) {
  const page = await visit(browser, url, options);
  await page.goto(`${url}/pet/${encodeURIComponent(name)}`);
  await page.click(`text=Take ${name} to the lab`);
  await page.waitForURL("**/lab");
  await live(page);
  return page;
}

/** Does one thing in the page's world by its form's path. */
export const deed = (page, path, value) => page.evaluate(async ([path, value]) => {
  const response = await fetch(`/lab/${path}`, { method: "POST", headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" }, body: new URLSearchParams(value ? { value } : {}) });
  if (!response.ok) throw new Error(await response.text());
}, [path, value]);

/** Waits until the page hears of changes. */
export const live = (page) => page.waitForSelector("#live[data-state=live]");
