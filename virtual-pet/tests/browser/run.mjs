// Runs the tests, all or those of the files that are named. Each file is a process; all share one browser, since starting it costs as much
// processor time as three tests.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chromium } from "playwright-core";
import { OPTIONS } from "./browser.mjs";

const server = await chromium.launchServer(OPTIONS);
const report = ["--test-reporter=spec", "--test-reporter-destination=stdout", "--test-reporter=./failed-files.mjs", "--test-reporter-destination=../../../target/failed-browser-tests"];
const tests = spawn(process.execPath, ["--test", "--test-concurrency=3", "--test-timeout=300000", ...report, ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, BROWSER: server.wsEndpoint() },
});
const [code] = await once(tests, "exit");
await server.close();
process.exitCode = code ?? 1;
