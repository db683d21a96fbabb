// The lab: six lessons from the first to the last, and what one can break.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MOVING, deed, enter, live, visit } from "./browser.mjs";
import { adopt } from "./game.mjs";
import { looksRightInBothThemes, picture } from "./pictures.mjs";
import { stage } from "./stage.mjs";

let game, browser;
stage(["--store", "memory:", "--limits", "off"], async (its) => {
  ({ game, browser } = its);
  await adopt(game.url, "Mochi");
});

const enterWithMochi = (options) => enter(browser, game.url, "Mochi", options);

const begin = (page) => page.click("#lesson .primary");
const reached = (page, lesson) => page.waitForSelector(`.lesson-step[value="${lesson}"][data-done]`);
const next = async (page, lesson) => {
  await page.click(".next-lesson");
  await page.waitForSelector(`#lesson-title:has-text("${lesson}. ")`);
};

for (const width of [1280, 390]) {
  test(`all six lessons, from the first to the last, at ${width}`, async () => {
    const page = await enterWithMochi({ viewport: { width, height: width === 390 ? 844 : 900 }, bypassCSP: true });
    await looksRightInBothThemes(page, "lab-start");
    await page.evaluate(() => {
      window.said = [];
      const region = document.getElementById("sr");
      new MutationObserver(() => window.said.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
    });

    await begin(page);
    await reached(page, 1);
    await next(page, 2);

    await begin(page);
    await page.waitForSelector("[data-row=wake_pet]");
    await begin(page);
    await reached(page, 2);
    await page.waitForSelector("#stage[data-asleep=false]");
    await next(page, 3);

    for (const hunger of [1, 2]) {
      await begin(page);
      await page.waitForSelector(`[data-kind=hunger] [aria-valuenow="${hunger}"]`);
    }
    await reached(page, 3);
    await next(page, 4);

    await page.keyboard.press("2");
    await page.waitForSelector(".speeds [value='60'][aria-pressed=true]");
    await begin(page);
    await reached(page, 4);
    assert.match(await page.innerText("#lesson .happened"), /failed 2 times, waited 5 s and then 10 s, and worked on try 3/);
    await next(page, 5);

    await begin(page);
    await reached(page, 5);
    assert.match(await page.innerText("#lesson .happened"), /went silent/);
    await next(page, 6);

    await begin(page);
    await page.waitForSelector("#log >> text=A day has passed");
    await begin(page);
    await reached(page, 6);
    await page.waitForSelector(".chime[data-policy=All] .chime-count[data-ran='24'][data-slots='24']");
    await page.waitForSelector(".chime[data-policy=Latest] .chime-count[data-ran='1'][data-slots='24']");
    await page.waitForSelector(".chime[data-policy=Skip] .chime-count[data-ran='0'][data-slots='24']");
    assert.match(await page.innerText("#lesson"), /That was all of it/);
    // It may have said something else since.
    await page.waitForFunction(() => window.said.some((sentence) => sentence.includes("Lesson 6 done")));
    await looksRightInBothThemes(page, "lab-end");
    assert.deepEqual(page.complaints, []);
    assert.deepEqual(page.foreign, []);
  });
}

test("the way in is accessible, and leads back", async () => {
  const page = await visit(browser, game.url, { bypassCSP: true });
  await page.goto(`${game.url}/lab`);
  await looksRightInBothThemes(page, "lab-entrance");
  await page.click("text=Borrow a cat");
  await live(page);
  await page.click("text=Leave");
  await page.waitForURL("**/");
  await page.goto(`${game.url}/lab`);
  await page.waitForSelector("text=A world of your own");
});

test("without a script one enters, sends a job, and finds the lesson done", async () => {
  const page = await visit(browser, game.url, { javaScriptEnabled: false });
  await page.goto(`${game.url}/pet/Mochi`);
  assert.equal(await page.locator(".speeds, [data-deed]").count(), 0, "nobody turns or breaks the world of others");
  await page.click("text=Take Mochi to the lab");
  await page.click(".speeds [value='600']");
  await page.click("text=Send a job");
  await page.waitForURL("**/lab");
  await page.reload();
  await reached(page, 1);
  assert.equal(await page.getAttribute(".speeds [value='600']", "aria-pressed"), "true");
});

test("a job keeps its token through row, queue, worker and pile; a retry is no failure", async () => {
  const page = await enterWithMochi(MOVING);
  await page.evaluate(() => {
    window.places = new Map();
    window.doubles = [];
    window.failed = new Set();
    window.tries = new Set();
    window.late = [];
    const awaited = new Map();
    const look = () => {
      const seen = new Set();
      for (const token of document.querySelectorAll(".flow .token[data-key]:not(.empty)")) {
        const { key } = token.dataset;
        if (seen.has(key)) window.doubles.push(key);
        seen.add(key);
        const place = token.closest("#rows, #queue, #bots, #pile").id;
        window.places.set(key, (window.places.get(key) ?? new Set()).add(place));
        if (token.hasAttribute("data-awaited")) awaited.set(key, awaited.get(key) ?? performance.now());
        else if (awaited.has(key)) { window.late.push(performance.now() - awaited.get(key)); awaited.delete(key); }
      }
      window.failed.add(document.querySelector("#counters li:last-child strong").textContent);
      for (const chip of document.querySelectorAll(".try-chip")) window.tries.add(chip.textContent);
    };
    new MutationObserver(look).observe(document.querySelector(".panel"), { subtree: true, childList: true, attributes: true, characterData: true });
  });
  await deed(page, "wobble");
  await page.waitForSelector(".try-chip >> text=try 2 of 4");
  await picture(page, "lab-retry-light-1280");
  await deed(page, "speed", "60");
  await page.waitForSelector("#log >> text=Wobbly job: finished");
  await page.waitForSelector("#pile .token:not([data-awaited])");
  const { places, doubles, failed, tries } = await page.evaluate(() => ({ places: [...window.places.values()].map((set) => [...set]), doubles: window.doubles, failed: [...window.failed], tries: [...window.tries] }));
  assert.ok(places.some((its) => ["rows", "bots", "pile"].every((place) => its.includes(place))), JSON.stringify(places));
  assert.deepEqual(doubles, []);
  assert.deepEqual(failed, ["0"]);
  assert.deepEqual(tries.sort(), ["try 2 of 4", "try 3 of 4"]);

  // A burst: the picture is never more than 2.2 s behind, and the frame that it is seen in.
  await deed(page, "speed", "1");
  for (const path of ["five", "five", "hello", "hello"]) await deed(page, path);
  await page.waitForSelector("#queue .count >> text=0 waiting");
  await page.waitForFunction(() => !document.querySelector("[data-awaited], .flier"));
  const late = await page.evaluate(() => Math.max(0, ...window.late));
  assert.ok(late <= 2500, `a token landed after ${late} ms`);
  assert.deepEqual(await page.evaluate(() => window.doubles), []);
});

test("paused workers leave five jobs in their order; started, they run in it", async () => {
  const page = await enterWithMochi(MOVING);
  await page.click("text=Pause workers");
  await page.waitForSelector(".bot[data-state=paused]");
  await page.click("text=Send 5 jobs");
  await page.waitForSelector("#queue .count >> text=5 waiting");
  const numbers = () => page.locator("#queue .numeral").allInnerTexts();
  assert.deepEqual(await numbers(), ["5", "4", "3", "2", "1"], "the next one stands at the right");
  await picture(page, "lab-paused-light-1280");
  await page.click("text=Start workers");
  await page.waitForFunction(() => document.querySelectorAll("#pile .numeral").length === 5);
  const { recent } = await page.evaluate(async () => (await fetch("/lab/jobs")).json());
  const ended = recent.filter((job) => job.task === "small_job").sort((one, other) => one.started_at.localeCompare(other.started_at) || one.result.localeCompare(other.result));
  assert.deepEqual(ended.map((job) => job.result), [1, 2, 3, 4, 5].map((number) => `number ${number}`));
});

test("a job that always fails goes to the shelf, and Requeue puts it back", async () => {
  const page = await enterWithMochi();
  await deed(page, "speed", "600");
  await page.click("text=Fail for good");
  await page.waitForSelector("#pile .token[data-status=failed]");
  const failed = page.locator("#counters li:last-child strong");
  assert.equal(await failed.innerText(), "1");
  const stands = async () => (await page.evaluate(async () => (await fetch("/lab/jobs")).json())).recent.filter((job) => job.status === "failed").length;
  assert.equal(await stands(), 1);
  await deed(page, "pause");
  await page.click("text=Requeue");
  await page.waitForSelector("#queue .token[data-status=queued]");
  assert.equal(await failed.innerText(), "0");
  assert.equal(await stands(), 0);
});

test("a worker that is unplugged in the middle of a job is seen to be, and the other one finishes that job once", async () => {
  const page = await enterWithMochi(MOVING);
  await page.click("text=Unplug a worker");
  const lost = await page.waitForSelector(".bot[data-state=lost]");
  const lostName = await lost.getAttribute("data-worker");
  const job = await page.getAttribute(".bot[data-state=lost] .token", "data-key");
  await picture(page, "lab-unplugged-light-1280");
  await deed(page, "speed", "60");
  await page.waitForSelector(`#pile .token[data-key="${job}"]`);
  const told = (await page.evaluate(async () => (await fetch("/lab/jobs")).json())).recent.filter((one) => one.task === "long_job");
  assert.equal(told.length, 1);
  assert.equal(told[0].status, "finished");
  assert.notEqual(told[0].worker, lostName);
  await page.click("text=Plug it in");
  await page.waitForSelector(`.bot[data-worker=${lostName}][data-state=ready]`);
});

test("two schedulers double nothing", async () => {
  const page = await enterWithMochi();
  await page.click("text=Two schedulers");
  await page.waitForSelector(".twins >> text=Two schedulers run");
  for (const slots of [1, 2, 3]) {
    await deed(page, "skip");
    await page.waitForSelector(`.twins >> text=${slots} slots came due, and ${slots} jobs were made`);
  }
  await page.waitForSelector(".twins >> text=Nothing doubled");
});

test("countdowns and tokens follow the clock at every speed", async () => {
  const page = await enterWithMochi(MOVING);
  for (const [key, speed] of [["1", 1], ["2", 60], ["3", 600]]) {
    await page.keyboard.press(key);
    await page.waitForSelector(`.speeds [value='${speed}'][aria-pressed=true]`);
    const { shown, left, lag } = await page.evaluate(async () => {
      const asked = performance.now();
      const { now, scheduled } = await (await fetch("/lab/jobs")).json();
      const text = document.querySelector("[data-row=increase_hunger] .countdown").textContent;
      const lag = performance.now() - asked;
      const [a, b] = text.match(/\d+/g).map(Number);
      const due = scheduled.find((entry) => entry.task === "increase_hunger").due_at;
      return { shown: text.includes("h") ? null : a * 60 + b, left: (Date.parse(due) - Date.parse(now)) / 1000, lag };
    });
    // A quarter of a second passes between two drawings, and the answer was under way for a while.
    const slack = 1 + speed * (0.25 + lag / 1000);
    if (shown !== null && left > 0) assert.ok(Math.abs(shown - left) <= slack, `${shown} s shown, ${left} s left at ${speed}x`);
  }
  // At 600x, since a day is long on a squeezed line.
  const places = await page.evaluate(async () => {
    const seen = [];
    const token = document.querySelector("[data-row=grow_up] .token");
    for (let n = 0; n < 6; n++) {
      seen.push(parseFloat(token.style.getPropertyValue("--x")));
      await new Promise((done) => setTimeout(done, 150));
    }
    return seen;
  });
  for (let n = 1; n < places.length; n++) assert.ok(places[n] <= places[n - 1], places.join(" "));
  assert.ok(places.at(-1) < places[0], places.join(" "));
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector(".marks .now")).left), "0px");
});

test("nobody sees another visitor's world, and a world that is left is gone for all its pages", async () => {
  const [one, two] = [await enterWithMochi(), await enterWithMochi()];
  await deed(one, "five");
  await one.waitForSelector("#pile .numeral");
  assert.equal(await two.locator(".numeral").count(), 0);
  const tab = await one.context().newPage();
  await tab.goto(`${game.url}/lab`);
  await live(tab);
  await one.context().request.post(`${game.url}/lab/leave`, { maxRedirects: 0 });
  await tab.waitForSelector("text=A world of your own");
  assert.equal((await two.evaluate(async () => (await fetch("/lab/hello", { method: "POST", headers: { Accept: "application/json" } })).status)), 204);
});
