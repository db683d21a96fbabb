// The real program: started, ended, and spoken to as any client does.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const PROGRAM = process.env.VIRTUAL_PET ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug/virtual-pet");

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
