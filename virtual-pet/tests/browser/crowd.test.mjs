// A thousand pages on one process.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import { test } from "node:test";
import { act, adopt, startGame } from "./game.mjs";

const STREAMS = 1000;

/** Opens one stream; answers promises of its first patch and of the one that holds `words`. */
function listen(url, agent, words) {
  return new Promise((opened, failed) => {
    http.get(`${url}/pet/Crowd/events`, { agent }, (response) => {
      let text = "";
      let tell;
      const heard = new Promise((done) => { tell = done; });
      response.setEncoding("utf8");
      response.on("data", (piece) => {
        text += piece;
        if (text.includes("event: patch")) opened({ heard, response });
        if (text.includes(words)) tell();
      });
    }).on("error", failed);
  });
}

test("a thousand streams are open at once, and each is told of a change", async () => {
  const game = await startGame(["--store", "memory:", "--limits", "off"]);
  const agent = new http.Agent({ maxSockets: Infinity });
  try {
    await adopt(game.url, "Crowd");
    const opening = [];
    for (let n = 0; n < STREAMS; n++) opening.push(listen(game.url, agent, "played with Crowd"));
    const streams = await Promise.all(opening);
    assert.equal((await act(game.url, "Crowd", "play")).status, 200);
    await Promise.all(streams.map(({ heard }) => heard));
    const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${game.pid}/status`, "utf8"));
    const mebibytes = Math.round(resident[1] / 1024);
    console.log(`${STREAMS} streams were told; the process holds ${mebibytes} MiB`);
    assert.ok(mebibytes <= 100, `${mebibytes} MiB`);
    for (const { response } of streams) response.destroy();
  } finally {
    agent.destroy();
    await game.kill();
  }
});
