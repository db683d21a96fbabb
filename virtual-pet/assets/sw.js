// Keeps the assets of this version, and one page for when there is no connection. Streams and whatever acts go past it.
const KEPT = "pet-HASH";

const keepOffline = () => caches.open(KEPT).then((cache) => cache.add("/offline"));

self.addEventListener("install", (event) => event.waitUntil(keepOffline().then(() => self.skipWaiting())));

// The theme was turned: the page that is kept has the one of before.
self.addEventListener("message", (event) => event.waitUntil(keepOffline()));

self.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name))));
  event.waitUntil(old.then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin || url.pathname.endsWith("/events")) return;
  if (url.pathname.startsWith("/static/")) event.respondWith(kept(request));
  else if (request.mode === "navigate") event.respondWith(fetch(request).catch(() => caches.match("/offline")));
});

async function kept(request) {
  const found = await caches.match(request);
  if (found) return found;
  const response = await fetch(request);
  if (response.ok) (await caches.open(KEPT)).put(request, response.clone());
  return response;
}
