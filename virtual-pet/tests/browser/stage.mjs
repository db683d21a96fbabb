// What the tests of a file stand on.
import { after, afterEach, before } from "node:test";
import { leave, startBrowser } from "./browser.mjs";
import { startGame } from "./game.mjs";

/** A browser and a game with these options, for all tests of the file; `prepare` is told of both before the first. Without options: no game. */
export function stage(options, prepare) {
  let browser, game;
  before(async () => {
    [browser, game] = await Promise.all([startBrowser(), options && startGame(options)]);
    await prepare({ browser, game });
  });
  afterEach(() => leave(browser, game?.url));
  after(async () => {
    await browser?.close();
    await game?.stop();
  });
}
