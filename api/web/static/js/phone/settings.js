// @ts-check
// The bearer and his phone: language, PIN, how safe the memory is, and signing out when nothing is left to send.

import { recall, tx } from "./db.js";
import { bar, button, h, heading, language, refresh, say, speak, t, tell } from "./dom.js";
import { pinFault } from "./gate.js";
import { Unanswered, ask } from "./net.js";
import * as outbox from "./outbox.js";
import * as vault from "./vault.js";

export async function screen() {
  const me = await outbox.me();
  const isPersistent = (await navigator.storage?.persisted?.()) ?? false;
  const told = h("div", { id: "told" });
  return h(
    "div",
    { class: "stack" },
    heading(t("phone.core.settings.title")),
    h(
      "section",
      { class: "card" },
      h(
        "dl",
        { class: "facts" },
        fact("phone.core.settings.who", me?.staff.name),
        fact("phone.core.settings.office", me?.staff.office.name),
        fact("phone.core.settings.number", me?.number),
        fact("phone.core.settings.build", document.body.dataset.build),
      ),
      isPersistent
        ? say("good", "check", h("p", t("phone.core.settings.kept")))
        : say("warn", "alert", h("p", t("phone.core.settings.not_kept"))),
    ),
    h(
      "section",
      { class: "card" },
      h("h2", t("phone.core.settings.language")),
      h("div", { class: "actions" }, ["vi", "en"].map((one) => choice(one))),
    ),
    changePin(),
    told,
    bar(
      button("lock", t("phone.core.settings.lock"), { look: "main", on: { click: () => vault.lock() } }),
      button("return", t("phone.core.settings.sign_out"), { id: "sign-out", on: { click: () => signOut(told) } }),
    ),
  );
}

/** @param {string} key @param {unknown} value */
const fact = (key, value) => [h("dt", t(key)), h("dd", String(value ?? "–"))];

/** @param {string} one */
const choice = (one) =>
  button(language() === one ? "check" : "", t(`phone.core.settings.languages.${one}`), {
    lang: one,
    "aria-pressed": String(language() === one),
    on: {
      click: async () => {
        await speak(one);
        outbox.changed();
        refresh();
      },
    },
  });

function changePin() {
  const told = h("div");
  const pin = (/** @type {string} */ id, /** @type {string} */ label, /** @type {string} */ autocomplete) =>
    h(
      "div",
      { class: "field" },
      h("label", { for: id }, t(label)),
      h("input", { id, name: id, type: "password", inputmode: "numeric", maxlength: "6", class: "pin", autocomplete }),
    );
  const form = h(
    "form",
    {
      class: "stack",
      novalidate: true,
      on: {
        submit: async (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          const fault = pinFault(form.fresh.value, form.again.value) || (await renew(form.old.value, form.fresh.value));
          told.replaceChildren(
            fault ? say("bad", "alert", h("p", fault)) : say("good", "check", h("p", t("phone.core.pin.changed"))),
          );
          form.reset();
        },
      },
    },
    pin("old", "phone.core.pin.old", "current-password"),
    pin("fresh", "phone.core.pin.new", "new-password"),
    pin("again", "phone.core.pin.again", "new-password"),
    told,
    h("p", button("lock", t("phone.core.pin.change"), { type: "submit" })),
  );
  return h("details", { class: "more card" }, h("summary", t("phone.core.pin.change")), form);
}

/** @param {string} old @param {string} fresh */
async function renew(old, fresh) {
  const { open, left } = await vault.unlock(old);
  if (!open && !left) {
    vault.lock();
    return "";
  }
  if (!open) return t("phone.core.pin.wrong", { left });
  await vault.setPin(fresh);
  return "";
}

/** @param {HTMLElement} told */
async function signOut(told) {
  const refuse = (/** @type {string} */ sentence) => {
    told.replaceChildren(say("bad", "alert", h("p", { class: "strong" }, sentence)));
    told.scrollIntoView({ block: "center" });
  };
  await outbox.flush({ why: "user" });
  const { pending, media_pending, refused, media_refused, other_users } = await outbox.status();
  const left = pending + media_pending + refused + media_refused;
  if (left) return refuse(t("phone.core.settings.unsent", { count: left }));
  const wipesAll = other_users === 0;
  try {
    const answer = await ask(`/phone/sign-out${wipesAll ? "?wipe=1" : ""}`, { method: "POST" });
    // Whoever is not signed in any more can leave as well; a portal or a server in trouble cannot say so.
    if (![204, 401].includes(answer.status) || !answer.ours) throw new Unanswered("portal");
  } catch (fault) {
    if (!(fault instanceof Unanswered)) throw fault;
    return refuse(t("phone.core.settings.no_server"));
  }
  vault.lock();
  await (wipesAll ? forgetAll() : forgetMe());
  location.replace("/phone");
}

/** Nothing of anybody is left here. */
async function forgetAll() {
  localStorage.clear();
  for (const name of await caches.keys()) await caches.delete(name);
  for (const registration of await navigator.serviceWorker.getRegistrations()) await registration.unregister();
  tell("wiped");
}

/** A colleague's unsent acts stay on the phone; everything of mine goes. */
async function forgetMe() {
  const mine = (await recall("me"))?.staff.id;
  await tx(["meta", "bags", "drafts", "acts", "outbox", "media", "bytes"], "readwrite", async (store) => {
    for (const name of ["bags", "drafts"]) await store(name).drop(IDBKeyRange.bound(`${mine}|`, `${mine}|\uffff`));
    for (const name of ["acts", "outbox", "media"]) {
      for (const row of await store(name).all()) {
        if (row.staff_id !== mine) continue;
        await store(name).drop(row.event_id && name !== "media" ? row.event_id : row.sha256);
        if (name === "media") await store("bytes").drop(row.sha256);
      }
    }
    for (const key of ["me", "last_sent_at", "hold", "needs_sign_in", `vault|${mine}`]) await store("meta").drop(key);
  });
}
