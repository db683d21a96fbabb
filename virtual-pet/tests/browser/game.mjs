// The real program and a real browser.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const PROGRAM = process.env.VIRTUAL_PET ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug/virtual-pet");
export const PICTURES = join(ROOT, "target/screenshots");
mkdirSync(PICTURES, { recursive: true });

/** A port that nobody listens on. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Starts the game with these options and environment variables; answers its address, and how to end it. */
export async function startGame(options = [], port = 0, variables = {}) {
  const child = spawn(PROGRAM, ["--listen", `127.0.0.1:${port}`, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env.PATH, RUST_LOG: "error", ...variables },
  });
  const [line] = await once(createInterface(child.stdout), "line");
  const url = /http:\/\/\S+/.exec(line)[0];
  const end = async (signal) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  };
  return { url, pid: child.pid, stop: () => end("SIGTERM"), kill: () => end("SIGKILL") };
}

export const startBrowser = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"], // Containers have no user namespaces; the pages are our own.
});

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
 * The end of every scene: what its pages count is true. Closes them all, and leaves their worlds in the lab of the game at `url`: what is left
 * open goes on, and takes time from the others.
 */
export const leave = (browser, url) => Promise.all(browser.contexts().map(async (context) => {
  await Promise.all(context.pages().map(countersAreTrue));
  const world = url && (await context.cookies(`${url}/lab`)).find(({ name }) => name === "lab");
  // In this order: a page whose world has gone goes elsewhere, and one that is on its way may never close.
  await context.close();
  if (world) await fetch(`${url}/lab/leave`, { method: "POST", headers: { Cookie: `lab=${world.value}` }, redirect: "manual" });
}));

// What the browser says when it is told to do without the service worker.
const NO_WORKER = "Service Worker registration blocked by Playwright";

/**
 * A page of a new visitor. Whatever it complains of is in `complaints`. As in a private window there is no service worker, unless
 * `serviceWorkers` is "allow": each visitor's would load all files once more.
 */
export async function visit(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, serviceWorkers: "block", ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.foreign = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type()) && message.text() !== NO_WORKER) page.complaints.push(message.text()); });
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("request", (request) => { if (!request.url().startsWith(url) && !request.url().startsWith("data:")) page.foreign.push(request.url()); });
  page.setDefaultTimeout(20000);
  return page;
}

/** Adopts by JSON: hatched at once. */
export async function adopt(url, name, species = "cat", colour = "peach") {
  const response = await fetch(`${url}/api/pets`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name, species, colour }),
  });
  if (response.status !== 201) throw new Error(await response.text());
  return response.json();
}

export const act = (url, name, action) => fetch(`${url}/api/pets/${encodeURIComponent(name)}/${action}`, { method: "POST" });

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

export const picture = (page, name) => page.screenshot({ path: join(PICTURES, `${name}.png`) });

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Takes a picture; axe finds nothing against the page, and nothing sticks out. The visit wants `bypassCSP`, for axe. */
export async function looksRight(page, name) {
  await picture(page, name);
  await page.evaluate(axe);
  const told = await page.evaluate(async (values) => {
    // Without the details of what is right, which take as long again to collect.
    const { violations } = await window.axe.run({ runOnly: { type: "tag", values }, resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`));
  }, RULES);
  assert.deepEqual(told, [], name);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${name} overflows sideways`);
}

/** The same page in either theme, one after the other: for scenes that stay as they are. */
export async function looksRightInBothThemes(page, scene) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await looksRight(page, `${scene}-${colorScheme}-${page.viewportSize().width}`);
  }
}
