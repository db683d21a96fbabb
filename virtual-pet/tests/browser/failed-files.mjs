// A reporter for node's tests: the files in which a test failed, a line each, for `scripts/browser` to run once more.
export default async function* failedFiles(events) {
  const told = new Set();
  for await (const { type, data } of events) {
    if (type !== "test:fail") continue;
    // A file that ended early, or was ended for its time, is a test of its own name.
    const file = data.file ?? data.name;
    if (told.has(file)) continue;
    told.add(file);
    yield `${file}\n`;
  }
}
