// @ts-check
// Before the route: signing in, choosing a PIN, giving it, and what a revoked phone still says.

import { remember, recall, tx } from "./db.js";
import { bar, button, go, h, heading, say, t, tell } from "./dom.js";
import { Unanswered, ask } from "./net.js";
import * as outbox from "./outbox.js";
import * as vault from "./vault.js";

const TOO_EASY = /^(\d)\1*$/;
const RUNS = "01234567890 09876543210";

/**
 * @param {string} id
 * @param {string} label
 * @param {Record<string, unknown>} props
 */
const field = (id, label, props) =>
  h("div", { class: "field" }, h("label", { for: id }, label), h("input", { id, name: id, ...props }));

/** @param {string} id @param {string} label @param {string} autocomplete */
const pinField = (id, label, autocomplete) =>
  field(id, label, {
    type: "password",
    inputmode: "numeric",
    pattern: "[0-9]{6}",
    maxlength: "6",
    autocomplete,
    required: true,
    class: "pin",
  });

/** The password, and the code of an authenticator for those who have one. */
const secrets = () => [
  field("password", t("sign_in.password"), { type: "password", autocomplete: "current-password", maxlength: "200" }),
  h(
    "details",
    { class: "more" },
    h("summary", t("sign_in.with_code")),
    field("otp", t("sign_in.code"), { inputmode: "numeric", autocomplete: "one-time-code", maxlength: "6" }),
  ),
];

/** A form whose main action waits at the bottom; `take` answers with a sentence when it did not work. */
function form(/** @type {any[]} */ content, /** @type {string} */ action, /** @type {(form: any) => Promise<string | void>} */ take, /** @type {any[]} */ ...more) {
  const told = h("div");
  const main = button("", action, { look: "main", type: "submit" });
  const element = h(
    "form",
    {
      class: "stack",
      novalidate: true,
      on: {
        submit: async (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          if (main.disabled) return;
          main.disabled = true;
          told.replaceChildren();
          const sentence = await take(element);
          main.disabled = false;
          if (sentence) told.replaceChildren(say("bad", "alert", h("p", { class: "strong" }, sentence)));
        },
      },
    },
    told,
    ...content,
    bar(main, ...more),
  );
  return element;
}

// --------------------------------------------------------------------------------------------------------- sign in
async function signIn() {
  const me = await outbox.me();
  const used = me && (await vault.pinState()) === "used-up";
  const known = me ? null : await alreadySignedIn();
  if (known) return goOnAs(known);
  return h(
    "div",
    { class: "stack" },
    heading(t("sign_in.title"), me && vault.isOpen() ? "/" : null),
    used && say("warn", "lock", h("p", t("phone.core.pin.used_up"))),
    form(
      [
        field("login", t("sign_in.login"), {
          autocomplete: "username",
          autocapitalize: "none",
          spellcheck: "false",
          maxlength: "100",
          required: true,
        }),
        ...secrets(),
      ],
      t("sign_in.enter"),
      (element) => enrol(element.login.value.trim(), element.password.value, element.otp.value.trim(), Boolean(used)),
    ),
  );
}

/** The name of the postman whom this browser knows from the other pages; null without one. @returns {Promise<string | null>} */
async function alreadySignedIn() {
  try {
    const answer = await ask("/api/v1/me");
    if (!answer.ours || answer.status !== 200) return null;
    const { role, name, must_change_password } = answer.json();
    return role === "postman" && !must_change_password ? name : null;
  } catch (fault) {
    if (!(fault instanceof Unanswered)) throw fault;
    return null;
  }
}

/** Who came from the sign-in page need not sign in twice. @param {string} name */
const goOnAs = (name) =>
  h(
    "div",
    { class: "stack" },
    heading(t("phone.core.sign_in.this_phone"), null),
    form([h("p", t("phone.core.sign_in.known", { name }))], t("phone.core.sign_in.go_on"), () => bind({})),
  );

/**
 * Sign in and bind the session to this phone.
 * @param {string} login
 * @param {string} password
 * @param {string} otp
 * @param {boolean} forgetPin
 */
async function enrol(login, password, otp, forgetPin) {
  if (!login || !password) return t("phone.core.sign_in.both");
  try {
    const opened = await ask("/api/v1/sessions", {
      method: "POST",
      json: { login, password, ...(otp && { otp }) },
    });
    if (opened.status === 429) return t("sign_in.wait", { minutes: minutesOf(opened) });
    if (opened.ours && (opened.status === 401 || opened.status === 422)) return t("sign_in.wrong");
    if (!opened.ours || opened.status !== 201) return t("phone.core.sign_in.no_server");
    const { token, role } = opened.json();
    if (role !== "postman") {
      await ask("/api/v1/sessions/current", { method: "DELETE", headers: { Authorization: `Bearer ${token}` } });
      return t("phone.core.sign_in.not_postman");
    }
    return await bind({ Authorization: `Bearer ${token}` }, forgetPin);
  } catch (fault) {
    if (!(fault instanceof Unanswered)) throw fault;
    return t("phone.core.sign_in.no_server");
  }
}

/**
 * Bind a session to this phone, and begin.
 * @param {Record<string, string>} session the header that shows it; none for that of the cookie
 * @param {boolean} [forgetPin]
 */
async function bind(session, forgetPin = false) {
  try {
    const kept = (await recall("device_id")) ?? outbox.newId();
    await remember("device_id", kept);
    const bound = await ask("/api/v1/devices", {
      method: "POST",
      headers: session,
      json: { device_id: kept, name: phoneName() },
    });
    if (bound.code === "device-revoked") return t("phone.core.sign_in.revoked");
    if (bound.code === "password-change-required") return t("phone.core.sign_in.password");
    if (!bound.ours || bound.status !== 201) return t("phone.core.sign_in.no_server");
    await become(bound.json(), forgetPin);
  } catch (fault) {
    if (!(fault instanceof Unanswered)) throw fault;
    return t("phone.core.sign_in.no_server");
  }
  if (location.hash === "#/sign-in") go("/");
  void outbox.flush({ why: "signed-in" });
  tell("gate");
}

/** @param {import("./net.js").Answer} answer */
const minutesOf = (answer) => Math.ceil(Number(answer.headers.get("retry-after") ?? 60) / 60);

function phoneName() {
  const data = /** @type {any} */ (navigator).userAgentData;
  return (data?.platform || navigator.platform || "?").slice(0, 60);
}

/** @param {any} enrolled @param {boolean} forgetPin */
async function become(enrolled, forgetPin) {
  const before = await outbox.me();
  if (before && before.staff.id !== enrolled.staff.id) vault.lock();
  await tx("meta", "readwrite", async (store) => {
    await store("meta").put(enrolled, "me");
    for (const name of ["needs_sign_in", "hold", "revoked"]) await store("meta").drop(name);
    if (forgetPin) await store("meta").drop(`vault|${enrolled.staff.id}`);
  });
  outbox.changed();
}

// -------------------------------------------------------------------------------------------------------------- PIN
async function choosePin() {
  const me = await outbox.me();
  return h(
    "div",
    { class: "stack" },
    heading(t("phone.core.pin.choose"), null),
    h("p", t("phone.core.pin.why", { name: me?.staff.name })),
    form(
      [pinField("pin", t("phone.core.pin.new"), "new-password"), pinField("again", t("phone.core.pin.again"), "new-password")],
      t("phone.core.pin.keep"),
      async (element) => {
        const sentence = pinFault(element.pin.value, element.again.value);
        if (sentence) return sentence;
        await vault.setPin(element.pin.value);
        // Asked at a moment when the bearer has just done something: browsers give it more readily then.
        await navigator.storage?.persist?.();
        tell("gate");
      },
    ),
  );
}

/** @param {string} pin @param {string} again */
export function pinFault(pin, again) {
  if (!/^\d{6}$/.test(pin)) return t("phone.core.pin.six");
  if (TOO_EASY.test(pin) || RUNS.includes(pin)) return t("phone.core.pin.easy");
  if (pin !== again) return t("phone.core.pin.differ");
  return "";
}

async function givePin() {
  const me = await outbox.me();
  const element = form(
    [pinField("pin", t("phone.core.pin.give"), "current-password")],
    t("phone.core.pin.open"),
    async (/** @type {any} */ own) => {
      const { open, left } = await vault.unlock(own.pin.value);
      own.pin.value = "";
      if (open || !left) return void tell("gate");
      own.pin.focus();
      return t("phone.core.pin.wrong", { left });
    },
    h(
      "p",
      { class: "row apart" },
      button("", t("phone.core.pin.forgotten"), { look: "quiet", on: { click: () => forgotten(true) } }),
      button("", t("phone.core.pin.other"), { look: "quiet", on: { click: () => forgotten(false) } }),
    ),
  );
  element.pin.addEventListener("input", () => {
    if (/^\d{6}$/.test(element.pin.value)) element.requestSubmit();
  });
  const screen = h("div", { class: "stack" }, heading(t("phone.core.pin.locked"), null), h("p", me?.staff.name), element);
  const forgotten = async (/** @type {boolean} */ forget) => {
    const signing = await signInAgain(forget);
    screen.replaceWith(signing);
    document.body.dataset.screen = "sign-in";
    signing.querySelector("h1")?.focus();
  };
  return screen;
}

/** Sign in although a PIN is set: it was forgotten, or somebody else takes the phone. @param {boolean} forget */
async function signInAgain(forget) {
  return h(
    "div",
    { class: "stack" },
    heading(t("sign_in.title"), null),
    say("", "info", h("p", t(forget ? "phone.core.pin.forgotten_more" : "phone.core.pin.other_more"))),
    form(
      [
        field("login", t("sign_in.login"), { autocomplete: "username", autocapitalize: "none", maxlength: "100" }),
        ...secrets(),
      ],
      t("sign_in.enter"),
      (element) => enrol(element.login.value.trim(), element.password.value, element.otp.value.trim(), forget),
      button("", t("phone.core.back"), { look: "quiet", on: { click: () => tell("gate") } }),
    ),
  );
}

// ---------------------------------------------------------------------------------------------------------- revoked
async function revoked() {
  const { pending, media_pending } = await outbox.status();
  const left = pending + media_pending;
  return h(
    "div",
    { class: "stack" },
    heading(t("phone.core.revoked.title"), null),
    say("warn", "lock", h("p", t("phone.core.revoked.why"))),
    left
      ? say("warn", "upload", h("p", t("phone.core.revoked.sending", { count: left })))
      : say("good", "check", h("p", t("phone.core.revoked.sent"))),
    bar(button("upload", t("phone.core.revoked.show"), { look: "main", href: "#/outbox" })),
  );
}

/** By state of the app. @type {Record<string, (params: any, signal: AbortSignal) => Promise<HTMLElement>>} */
export const screens = { "sign-in": signIn, enrol: choosePin, pin: givePin, revoked };
