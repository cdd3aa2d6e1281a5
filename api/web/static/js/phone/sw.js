// The worker of one build: BUILD, FILES ([address, SHA-256]) and flush stand above this line, put there by the server.
//
// It keeps all files of its build or none, serves the app without a network, never touches /api/, and sends what is left in
// the outbox when no page is open. It gives way to a new build only when the page says "go".

const CACHE = `phone-${BUILD}`;
const EXTRA = "phone-extra";
const OWN = new Set(FILES.map(([address]) => address));
// Of the server's headers those that protect the page; what was packed for the journey is unpacked by now.
const PACKING = ["content-encoding", "content-length", "vary"];

addEventListener("install", (event) => event.waitUntil(fill()));

async function fill() {
  const cache = await caches.open(CACHE);
  try {
    await Promise.all(FILES.map((file) => fetchInto(cache, file)));
  } catch (fault) {
    await caches.delete(CACHE);
    throw fault;
  }
}

async function fetchInto(cache, [address, sha256]) {
  const answer = await fetch(address, { cache: "no-cache", credentials: "omit", redirect: "error" });
  const body = await answer.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  // A portal's page, or a file of another build while the server changes: then this build is not taken.
  if (!answer.ok || found !== sha256) throw new Error(`${address} is not of build ${BUILD}`);
  const headers = new Headers(answer.headers);
  for (const name of PACKING) headers.delete(name);
  await cache.put(address, new Response(body, { status: 200, headers }));
}

addEventListener("activate", (event) => event.waitUntil(takeOver()));

async function takeOver() {
  if (!(await clients.matchAll()).length) await tidy(BUILD);
  await clients.claim();
}

/** Drop older builds, once no page lives on them. */
async function tidy(inUse) {
  const old = (await caches.keys()).filter((name) => name.startsWith("phone-") && name !== EXTRA);
  const kept = [CACHE, `phone-${inUse}`];
  await Promise.all(old.filter((name) => !kept.includes(name)).map((name) => caches.delete(name)));
}

addEventListener("message", (event) => {
  if (event.data === "go") event.waitUntil(skipWaiting());
  if (event.data?.build) event.waitUntil(tidyIfAlone(event.data.build));
});

async function tidyIfAlone(inUse) {
  const pages = await clients.matchAll({ includeUncontrolled: true });
  if (pages.length === 1 && registration.active?.scriptURL && !registration.waiting && !registration.installing) {
    await tidy(inUse);
  }
}

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin || pathname.startsWith("/api/")) return;
  if (request.mode === "navigate") {
    if (pathname === "/phone" || pathname === "/phone/") event.respondWith(kept(CACHE, "/phone", request));
    return;
  }
  const build = pathname.match(/^\/phone\/([0-9a-f]{12})\//)?.[1];
  if (build) event.respondWith(kept(`phone-${build}`, pathname, request));
  else if (OWN.has(pathname)) event.respondWith(kept(CACHE, pathname, request));
  else if (pathname.startsWith("/static/vendor/zxing/")) event.respondWith(keptOnceFetched(pathname, request));
});

async function kept(cacheName, address, request) {
  return (await caches.match(address, { cacheName })) ?? fetch(request);
}

/** Too heavy for every phone, wanted by some: kept from its first use on. */
async function keptOnceFetched(address, request) {
  const found = await caches.match(address, { cacheName: EXTRA });
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(EXTRA)).put(address, answer.clone());
  return answer;
}

addEventListener("sync", (event) => {
  if (event.tag === "outbox") event.waitUntil(sendTheRest());
});

async function sendTheRest() {
  const { left } = await flush({ why: "sync" });
  // The browser tries again later when the promise is broken.
  if (left) throw new Error(`${left} left in the outbox`);
}
