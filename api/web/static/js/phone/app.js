// @ts-check
// The frame of the app: who may see it now, which screen is shown, what is always visible above it, and when a new version
// may come.

import * as bag from "./bag.js";
import { onOutdated, recall, wipe } from "./db.js";
import * as dom from "./dom.js";
import { button, clock, h, has, icon, money, t } from "./dom.js";
import { now } from "./net.js";
import * as outbox from "./outbox.js";
import * as vault from "./vault.js";

const IDLE_MS = 5 * 60_000;
const LOOK_MS = 15_000;
const FLUSH_MS = 60_000;
const NEW_BUILD_MS = 30 * 60_000;

/** Path pattern -> the module that shows it; every module is named after its screen. @type {[string, string][]} */
const SCREENS = [
  ["/", "list"],
  ["/stop/:id", "stop"],
  ["/handover/:id", "handover"],
  ["/fetch/:stop/:item", "fetch"],
  ["/receipt/:event", "receipt"],
  ["/failed/:id", "failed"],
  ["/notice/:event", "notice"],
  ["/undo/:event", "undo"],
  ["/address/:id", "address"],
  ["/wish/:stop/:item", "wish"],
  ["/order", "order"],
  ["/trouble", "trouble"],
  ["/map", "map"],
  ["/load", "load"],
  ["/evening", "evening"],
  ["/give", "give"],
  ["/take", "take"],
  ["/outbox", "acts"],
  ["/settings", "settings"],
  ["/sign-in", "gate"],
];
// These can be opened while the route is locked or gone: they show nothing of it.
const WITHOUT_ROUTE = ["acts", "settings", "gate"];

const { body } = document;
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const head = /** @type {HTMLElement} */ (document.getElementById("head"));

/** @type {any} */
let status = null;
/** @type {{module: any, name: string, leave: AbortController} | null} */
let shown = null;
let drawing = 0;
let lastTouched = Date.now();

// ------------------------------------------------------------------------------------------------------------ gate
/** Who may see what now. @returns {Promise<"sign-in" | "enrol" | "pin" | "ready">} */
async function gate() {
  if (!(await outbox.me())) return "sign-in";
  const pin = await vault.pinState();
  if (pin === "none") return "enrol";
  if (vault.isOpen()) return "ready";
  return pin === "set" ? "pin" : "sign-in";
}

/** Show what belongs to the present state. */
async function enter() {
  const state = await gate();
  const entering = state === "ready" && body.dataset.state !== "ready";
  body.dataset.state = state;
  if (entering) await begin();
  await draw();
  if (state !== "ready") await takeNewBuild();
}

/** The bearer has shown who he is: the day's work begins. */
async function begin() {
  lastTouched = Date.now();
  outbox.followPosition();
  await bag.today();
  await outbox.purge();
  outbox.flush({ why: "start" }).then(bag.load);
}

// --------------------------------------------------------------------------------------------------------- screens
/** @returns {{name: string, params: Record<string, string>}} */
function wanted() {
  const [path] = (location.hash.slice(1) || "/").split("?");
  for (const [pattern, name] of SCREENS) {
    const names = [...pattern.matchAll(/:(\w+)/g)].map(([, param]) => param);
    const match = path.match(new RegExp(`^${pattern.replace(/:\w+/g, "([^/]+)")}$`));
    if (match) {
      const params = Object.fromEntries(names.map((param, at) => [param, decodeURIComponent(match[at + 1])]));
      return { name, params };
    }
  }
  return { name: "list", params: {} };
}

/** Draw the screen of the address, or the gate before it. */
async function draw() {
  const turn = (drawing += 1);
  const state = body.dataset.state;
  let { name, params } = wanted();
  if (state === "ready" && status?.revoked && !WITHOUT_ROUTE.includes(name)) name = "revoked";
  if (state !== "ready") name = "gate";
  const leave = new AbortController();
  const fromGate = name === "gate" || name === "revoked";
  let module, element;
  try {
    module = await import(`./${fromGate ? "gate" : name}.js`);
    element = await (fromGate ? module.screens[name === "gate" ? (state === "ready" ? "sign-in" : state) : name] : module.screen)(
      params,
      leave.signal,
    );
  } catch (fault) {
    reportError(fault);
    element = brokenScreen();
  }
  if (turn !== drawing) {
    leave.abort();
    return;
  }
  const isSame = shown?.name === name && body.dataset.path === location.hash;
  const at = { top: scrollY, focus: /** @type {HTMLElement | null} */ (document.activeElement)?.id };
  shown?.leave.abort();
  shown = { module, name, leave };
  main.replaceChildren(element);
  body.dataset.path = location.hash;
  const title = element.querySelector("h1");
  document.title = [title?.textContent, t("brand")].filter(Boolean).join(" – ");
  if (isSame) {
    scrollTo(0, at.top);
    if (at.focus) document.getElementById(at.focus)?.focus({ preventScroll: true });
  } else {
    scrollTo(0, 0);
    if (body.dataset.screen) title?.focus({ preventScroll: true });
  }
  // Last: whoever waits for a screen finds it whole.
  body.dataset.screen = fromGate && name === "gate" ? (state === "ready" ? "sign-in" : String(state)) : name;
  if (name === "list") await takeNewBuild();
}

const brokenScreen = () =>
  h(
    "div",
    { class: "stack" },
    dom.heading(t("phone.core.broken"), null),
    dom.say("bad", "alert", h("p", t("phone.core.broken_more"))),
    dom.bar(button("back", t("phone.core.to_list"), { look: "main", href: "#/" })),
  );

// ------------------------------------------------------------------------------------------------------ status bar
async function whenChanged() {
  const before = status;
  status = await outbox.status();
  body.dataset.pending = String(status.pending + status.media_pending);
  body.dataset.review = String(status.review);
  body.dataset.offline = status.offline ? "1" : "0";
  body.dataset.flushing = status.flushing ? "1" : "0";
  // The cash above every screen counts what was recorded a moment ago.
  await bag.today();
  drawHead();
  // What was sent is in the next signed day.
  if (before?.pending && !status.pending) void bag.load();
  if (status.revoked && !before?.revoked) await draw();
  else if (body.dataset.state === "ready" && (shown?.module?.live || shown?.name === "revoked")) await draw();
  if (status.revoked && !status.pending && !status.media_pending) await forgetRoute();
}

/** A phone that was revoked keeps nothing once the office has what it knew. */
async function forgetRoute() {
  const { tx } = await import("./db.js");
  await tx(["bags", "drafts", "acts"], "readwrite", async (store) => {
    for (const name of ["bags", "drafts", "acts"]) {
      for (const key of await store(name).keys()) await store(name).drop(key);
    }
  });
}

function drawHead() {
  const isReady = body.dataset.state === "ready";
  const cash = isReady ? bag.cash() : null;
  const waiting = status.pending + status.media_pending;
  head.replaceChildren(
    h(
      "div",
      { class: "head-row" },
      h("a", { class: "brand", href: "#/" }, icon("brand"), h("span", t("brand"))),
      cash !== null && h("span", { class: "head-cash", title: t("phone.core.cash") }, icon("money"), money(cash)),
      h("a", { class: "link", href: "#/settings", "aria-label": t("phone.core.settings.title") }, icon("person")),
    ),
    h(
      "a",
      { class: `sent ${waiting ? "waiting" : "done"}`, href: "#/outbox", id: "sent" },
      icon(waiting ? "clock" : "check"),
      h("span", { class: "sent-count" }, waiting ? unsentWords() : t("phone.core.all_sent")),
      h("span", { class: "sent-when" }, lastSent()),
    ),
    ...(status.review > 0
      ? [h("a", { class: "sent review", href: "#/outbox" }, icon("alert"), t("phone.core.review", { count: status.review }))]
      : []),
    ...notices(),
  );
}

function unsentWords() {
  if (!status.pending) return t("phone.core.unsent_media", { count: status.media_pending });
  return t("phone.core.unsent", { count: status.pending });
}

function lastSent() {
  if (!status.last_sent_at) return t("phone.core.never_sent");
  const minutes = Math.max(0, Math.floor((now() - Date.parse(status.last_sent_at)) / 60_000));
  if (minutes < 1) return t("phone.core.sent_now");
  if (minutes < 60) return t("phone.core.sent_minutes", { minutes });
  if (minutes < 24 * 60) return t("phone.core.sent_at", { time: clock(status.last_sent_at) });
  return t("phone.core.sent_days", { days: Math.floor(minutes / 1440) });
}

/** What the bearer must know now, one line each. */
function notices() {
  const lines = [];
  const isReady = body.dataset.state === "ready";
  const notice = (/** @type {string} */ key, /** @type {any} */ values = {}) => h("p", { class: "notice" }, t(key, values));
  if (status.revoked) lines.push(notice("phone.core.notice.revoked"));
  else if (status.needs_sign_in && isReady) {
    lines.push(h("a", { class: "notice", href: "#/sign-in" }, icon("lock"), t("phone.core.notice.sign_in")));
  } else if (status.reach === "portal") lines.push(notice("phone.core.notice.portal"));
  else if (status.reach === "none") lines.push(notice("phone.core.notice.offline"));
  else if (status.reach === "busy" && status.retry_at) {
    lines.push(notice("phone.core.notice.busy", { time: clock(status.retry_at) }));
  }
  if (body.dataset.update === "outdated") {
    lines.push(h("button", { class: "notice", type: "button", on: { click: reload } }, t("phone.core.notice.outdated")));
  } else if (body.dataset.update === "ready" && isReady && shown?.name === "list") {
    lines.push(h("button", { class: "notice", type: "button", on: { click: reload } }, t("phone.core.notice.update")));
  }
  if (status.other_users) lines.push(notice("phone.core.notice.others", { count: status.other_users }));
  return lines;
}

const reload = () => location.reload();

// ------------------------------------------------------------------------------------------------------ new builds
/** @type {ServiceWorkerRegistration | null} */
let registration = null;

async function keepBuild() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  const hadOne = Boolean(workers.controller);
  const tell = () => (body.dataset.worker = workers.controller ? "1" : "0");
  tell();
  workers.addEventListener("controllerchange", () => {
    tell();
    if (!hadOne && !body.dataset.update) return;
    body.dataset.update = "ready";
    if (body.dataset.state === "ready") drawHead();
    else reload();
  });
  workers.controller?.postMessage({ build: body.dataset.build });
  setInterval(lookForBuild, NEW_BUILD_MS);
  addEventListener("online", lookForBuild);
  await lookForBuild();
}

/** Register the worker, or ask for a newer one. */
async function lookForBuild() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  try {
    if (registration) return void (await registration.update());
    registration = await workers.register("/phone/sw.js", { scope: "/phone", type: "module", updateViaCache: "none" });
  } catch (fault) {
    if (!(fault instanceof TypeError || fault instanceof DOMException)) throw fault;
    // No network, or a portal's page instead of the worker: the build we have goes on, and it is asked for again.
    return;
  }
  registration.addEventListener("updatefound", () => {
    const coming = registration?.installing;
    coming?.addEventListener("statechange", () => {
      if (coming.state === "installed" && workers.controller) void takeNewBuild();
    });
  });
}

/** Let a waiting build take over: from the list or the gate, when nothing is being sent. The page itself stays until it is locked. */
async function takeNewBuild() {
  if (!registration?.waiting || !navigator.serviceWorker.controller) return;
  body.dataset.update ??= "waiting";
  const calm = () => body.dataset.state !== "ready" || shown?.name === "list";
  if (!calm()) return;
  await outbox.flush({ why: "timer" });
  if (calm()) registration.waiting?.postMessage("go");
}

// ------------------------------------------------------------------------------------------------------------ boot
function watchIdleness() {
  for (const event of ["pointerdown", "keydown", "input"]) {
    addEventListener(event, () => (lastTouched = Date.now()), { capture: true, passive: true });
  }
  const look = () => {
    if (vault.isOpen() && Date.now() - lastTouched > IDLE_MS) vault.lock();
    else if (status) drawHead();
  };
  setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", () => {
    look();
    if (document.visibilityState !== "visible") return;
    void outbox.flush({ why: "visible" }).then(bag.load);
    void lookForBuild();
  });
  addEventListener("online", () => void outbox.flush({ why: "online" }).then(bag.load));
  setInterval(() => void outbox.flush({ why: "timer" }).then(() => document.visibilityState === "visible" && bag.load()), FLUSH_MS);
  vault.onLock(() => {
    if (body.dataset.update === "ready") reload();
    else void enter();
  });
}

function insecure() {
  main.replaceChildren(
    h(
      "div",
      { class: "stack" },
      h("h1", t("brand")),
      dom.say("warn", "lock", h("p", t("phone.core.insecure"))),
      dom.bar(button("next", t("phone.core.plain_pages"), { look: "main", href: "/p" })),
    ),
  );
  body.dataset.screen = "insecure";
}

async function boot() {
  await dom.loadTexts();
  if (!has("brand")) throw new Error("no words");
  if (!isSecureContext) return insecure();
  onOutdated(() => {
    body.dataset.update = "outdated";
    if (status) drawHead();
  });
  dom.onBus("refresh", draw);
  dom.onBus("gate", enter);
  dom.onBus("wiped", async () => {
    await wipe();
    location.replace("/phone");
  });
  addEventListener("hashchange", draw);
  outbox.onChange(whenChanged);
  bag.onChange(whenChanged);
  await outbox.recallTime();
  status = await outbox.status();
  await enter();
  await whenChanged();
  watchIdleness();
  await keepBuild();
  if (body.dataset.state !== "ready") void outbox.flush({ why: "start" });
}

void boot();
