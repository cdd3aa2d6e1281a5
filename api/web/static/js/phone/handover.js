// @ts-check
// Handing over at a door: one act for all the ticked items of a stop. Everything that the ordinary case needs is filled in; what the
// rules say against it is said before it is saved, and a thing that happened can always be written down.

import * as bag from "./bag.js";
import { compare, readCard, typedNumber } from "./card.js";
import { bar, button, go, h, heading, language, leaveNote, money as dong, notSaved, say, t, word } from "./dom.js";
import * as money from "./money.js";
import { objections, personOf } from "./objections.js";
import * as outbox from "./outbox.js";
import { camera } from "./photo.js";
import { inDigits, reader, tidy, which } from "./reader.js";
import { scanner } from "./scan.js";
import { isSigned, pad, png } from "./sign.js";

const OWNER = "owner";
const OTHER = "other";
const ANYBODY = [OWNER, "authorised"];
// Who stands for a household or an organisation: no owner of the paper is to be expected there.
const IN_PLACE_OF_AN_OWNER = ["household_head", "representative"];
// The bank's word comes later; that is no objection at the door.
const NO_OBJECTION = ["transfer-unconfirmed"];
const WHY_NOT_THE_OWNER = ["away", "ill", "works_far"];
const LONGEST = 200;

/**
 * What is kept while the form is open; never the number of anybody's paper.
 * @typedef {{event_id: string, taken_id: string, items: string[], relation: string, name: string, why: string,
 *   id: {check: "" | "match" | "mismatch" | "none", by: "" | "scan" | "typed" | "eye", last4: string, right: string[], wrong: string[]},
 *   code: {value: string, right: string[], wrong: string[]}, surrendered: string[], strokes: import("./sign.js").Strokes,
 *   paper_slip: boolean, unable: boolean, unable_why: string, photo: Blob | null, money: any}} Form
 */

const NO_ID = () => /** @type {Form["id"]} */ ({ check: "", by: "", last4: "", right: [], wrong: [] });
const NO_CODE = () => ({ value: "", right: [], wrong: [] });

/** @param {{id: string}} params @param {AbortSignal} signal */
export async function screen({ id }, signal) {
  const known = await bag.today();
  const stop = known && bag.stopOf(known, id);
  if (!stop) return h("div", { class: "stack" }, heading(t("phone.door.hand_over")), say("warn", "info", h("p", t("phone.door.gone"))));
  const here = stop.items.filter(bag.canHandOver);
  const up = `/stop/${stop.id}`;
  if (!here.length) return h("div", { class: "stack" }, heading(t("phone.door.hand_over"), up), say("", "info", h("p", t("phone.handover.nothing"))));
  const key = `handover|${stop.id}`;
  const form = fitting(await outbox.drafts.get(key), here) ?? begun(here, known.rules);
  return new Handover(known, stop, here, key, form, signal).begin();
}

/** A draft of things that are still to be handed over. @param {Form | undefined} draft @param {any[]} here */
function fitting(draft, here) {
  if (!draft) return undefined;
  const items = draft.items.filter((id) => here.some((item) => item.id === id));
  return items.length ? { ...draft, items } : undefined;
}

/** The ordinary case: everything of the first person here that he receives in the same capacity, to himself. @param {any[]} here @param {any} rules @returns {Form} */
function begun(here, rules) {
  const first = here.find((item) => item.in_my_bag) ?? here[0];
  const relation = expectedOf([first], rules);
  const own = here.filter((item) => bag.plain(item.recipient) === bag.plain(first.recipient) && expectedOf([item], rules) === relation);
  return {
    event_id: outbox.newId(),
    taken_id: outbox.newId(),
    items: own.map((item) => item.id),
    relation,
    name: nameOf(relation, own),
    why: "",
    id: NO_ID(),
    code: NO_CODE(),
    surrendered: [],
    strokes: [],
    paper_slip: false,
    unable: false,
    unable_why: "",
    photo: null,
    money: {},
  };
}

/** Whom the rules of these items know, in their order, and `other`, because the truth must be writable too. @param {any[]} items @param {any} rules @returns {string[]} */
function relationsOf(items, rules) {
  const found = items.flatMap((item) => {
    const { persons, relatives = [] } = rules[item.rule];
    return (persons?.length ? persons : ANYBODY).flatMap((/** @type {string} */ person) =>
      ["relative", "guardian"].includes(person) && relatives.length ? relatives : [person],
    );
  });
  return [...new Set([...found, OTHER])];
}

/** Who is to be expected at the door; "" where the rules know several and none of them first. @param {any[]} items @param {any} rules */
function expectedOf(items, rules) {
  const relations = relationsOf(items, rules);
  if (relations.includes(OWNER)) return OWNER;
  return IN_PLACE_OF_AN_OWNER.includes(relations[0]) ? relations[0] : "";
}

/** His name, as far as the bag knows it. @param {string} relation @param {any[]} items @returns {string} */
function nameOf(relation, items) {
  if (relation === OWNER || relation === "household_head") return items[0]?.recipient ?? "";
  return (relation === "authorised" && items.find((item) => item.authorised)?.authorised) || "";
}

class Handover {
  /** @param {any} known @param {any} stop @param {any[]} here @param {string} key @param {Form} form @param {AbortSignal} signal */
  constructor(known, stop, here, key, form, signal) {
    this.known = known;
    this.stop = stop;
    this.here = here;
    this.key = key;
    this.form = form;
    this.signal = signal;
    this.told = h("div");
    this.root = h("div", { class: "stack handover" });
    this.busy = false;
    /** The comparisons under way; saving waits for them. @type {Set<Promise<unknown>>} */
    this.comparing = new Set();
    /** @type {Promise<void> | null} */
    this.writing = null;
    this.isStale = false;
    this.parts = {
      who: h("section", { class: "card", "aria-labelledby": "who-title" }),
      id: h("section", { class: "card", "aria-labelledby": "id-title" }),
      surrender: h("section", { class: "card", "aria-labelledby": "surrender-title" }),
      money: h("div"),
      proofs: h("section", { class: "card", "aria-labelledby": "proofs-title" }),
      code: h("details", { class: "more card", id: "code-part" }),
    };
    /** The camera is let go when its part of the form is made anew. */
    this.scanning = new AbortController();
    signal.addEventListener("abort", () => this.scanning.abort(), { once: true });
    this.isSaved = false;
    /** Items that this form has taken into the bag. @type {Set<string>} */
    this.loaded = new Set();
    /** The code of a parcel that does not belong here; nothing is saved while it may be in the wrong hands. */
    this.wrong = "";
    this.putAway = button("check", t("phone.handover.put_away"), { look: "wide", id: "put-away", hidden: true, on: { click: () => this.refuse("") } });
  }

  async begin() {
    await this.keep();
    this.sheet = h("div", { class: "stack" }, this.items(), this.codes(), ...Object.values(this.parts));
    this.fill();
    this.show();
    return this.root;
  }

  /** The form, as it stands. */
  show() {
    const save = button("check", t("phone.handover.save"), { look: "main", id: "save", on: { click: () => this.save() } });
    this.root.replaceChildren(heading(t("phone.door.hand_over"), `/stop/${this.stop.id}`), this.sheet, this.told, bar(save));
  }

  // ------------------------------------------------------------------------------------------------------- the draft
  /** Write the form down, the latest word only: while one writing is under way further ones become one. Settles when it is written. */
  keep() {
    this.isStale = true;
    this.root.dataset.draft = "writing";
    this.writing ??= Promise.resolve().then(() => this.write());
    return this.writing;
  }

  async write() {
    try {
      while (this.isStale && !this.busy) {
        this.isStale = false;
        await outbox.drafts.put(this.key, this.form);
      }
      if (!this.isStale) this.root.dataset.draft = "kept";
    } catch (fault) {
      if (!(fault instanceof outbox.NotSaved)) throw fault;
      this.root.dataset.draft = "lost";
      this.told.replaceChildren(notSaved());
    } finally {
      this.writing = null;
    }
  }

  /** @param {Partial<Form>} news */
  change(news) {
    Object.assign(this.form, news);
    return this.keep();
  }

  // ------------------------------------------------------------------------------------------------- what it is about
  /** The ticked items. @returns {any[]} */
  get chosen() {
    return this.here.filter((item) => this.form.items.includes(item.id));
  }

  /** The rules of the ticked items, each once. @returns {any[]} */
  get rules() {
    return [...new Set(this.chosen.map((item) => this.known.rules[item.rule]))];
  }

  /** Who is to be expected for the ticked items. */
  get expected() {
    return expectedOf(this.chosen, this.known.rules);
  }

  /** @param {string} proof */
  wants(proof) {
    return this.rules.some((rule) => rule.proofs.includes(proof));
  }

  /** @param {any} item */
  kindOf(item) {
    const kind = this.known.document_types[item.document_type];
    return kind ? kind[language()] : item.document_type;
  }

  fill() {
    this.fillWho();
    this.fillId();
    this.fillSurrender();
    this.fillMoney();
    this.fillProofs();
    this.fillCode();
  }

  items() {
    const many = this.here.length > 1;
    const line = (/** @type {any} */ item) =>
      h(
        "span",
        h("span", { class: "strong" }, this.kindOf(item)),
        h("br"),
        h("span", { class: "code" }, item.barcode),
        many && [h("br"), item.recipient],
        !item.in_my_bag && item.state === "planned" && [h("br"), h("span", { class: "soft small" }, t("phone.handover.not_loaded"))],
      );
    const choice = (/** @type {any} */ item) =>
      h(
        "label",
        { class: "pick" },
        h("input", {
          type: "checkbox",
          name: "items",
          value: item.id,
          checked: this.form.items.includes(item.id),
          on: {
            change: (/** @type {any} */ { target }) => this.tick(item, target.checked),
          },
        }),
        line(item),
      );
    return h(
      "fieldset",
      { class: "card" },
      h("legend", { class: "hidden-words" }, t("stop.items")),
      many ? this.here.map(choice) : h("p", line(this.here[0])),
    );
  }

  /** The labels can be read again at the door: what belongs to another one is refused before it is in somebody's hands. */
  codes() {
    return h(
      "details",
      { class: "more card", id: "codes" },
      h("summary", t("phone.handover.check_codes")),
      reader({ label: t("phone.handover.check_codes"), told: (code) => Promise.resolve(this.found(code)), signal: this.signal, digits: inDigits(this.here) }),
      this.putAway,
    );
  }

  /** @param {string} code @returns {{kind: "good" | "warn" | "bad", words: string[]}} */
  found(code) {
    const { item, told } = which(this.here, code);
    if (told) return told;
    if (item) {
      this.refuse("");
      this.tick(item, true);
      return { kind: "good", words: [t("phone.handover.right_item"), `${item.recipient} · ${item.barcode}`] };
    }
    this.refuse(tidy(code));
    const other = which(bag.itemsOf(this.known), code).item;
    const stop = this.known.stops.find((/** @type {any} */ one) => one.items.includes(other));
    const where = stop ? t("phone.handover.wrong_item_of", { name: other.recipient, number: stop.sequence }) : t("phone.handover.wrong_item_strange");
    return { kind: "bad", words: [t("phone.handover.wrong_item", { code: this.wrong }), where] };
  }

  /** @param {string} code */
  refuse(code) {
    this.wrong = code;
    this.putAway.hidden = !code;
    this.told.replaceChildren();
  }

  /** @param {any} item @param {boolean} isIn */
  tick(item, isIn) {
    const box = /** @type {HTMLInputElement | null} */ (this.sheet?.querySelector(`input[name=items][value="${item.id}"]`));
    if (box) box.checked = isIn;
    if (this.form.items.includes(item.id) === isIn) return;
    const { relation } = this.form;
    const wasExpected = relation === this.expected;
    const others = this.form.items.filter((id) => id !== item.id);
    this.change({ items: isIn ? [...others, item.id] : others });
    const isKnown = relationsOf(this.chosen, this.known.rules).includes(relation);
    if (this.chosen.length && (wasExpected || !isKnown)) this.receive(this.expected);
    this.fill();
  }

  // ------------------------------------------------------------------------------------------------------------- who
  fillWho() {
    const { form } = this;
    const relations = relationsOf(this.chosen, this.known.rules);
    const { expected } = this;
    const isExpected = expected !== "" && form.relation === expected;
    const name = field("receiver", t("stop.receiver_name"), {
      value: form.name,
      maxlength: LONGEST,
      autocomplete: "off",
      autocapitalize: "words",
      on: { input: (/** @type {any} */ { target }) => this.change({ name: target.value }) },
    });
    const choice = (/** @type {string} */ relation) => {
      const authorised = relation === "authorised" && this.chosen.find((item) => item.authorised)?.authorised;
      return h(
        "label",
        { class: "pick" },
        h("input", { type: "radio", name: "relation", value: relation, checked: form.relation === relation, on: { change: () => this.chooseRelation(relation) } }),
        h("span", word("person", relation), authorised && [h("br"), h("span", { class: "soft small" }, t("phone.handover.named", { name: authorised }))]),
      );
    };
    const owners = [...new Set(this.chosen.map((item) => item.recipient))];
    this.parts.who.replaceChildren(
      ...shown(
        h("h2", { id: "who-title" }, t("stop.receiver")),
        isExpected && form.name && h("p", { id: "receiver-shown" }, h("span", { class: "strong" }, form.name), " · ", word("person", expected)),
        h(
          "details",
          { class: "more", id: "others", open: !isExpected || !form.name },
          h("summary", t(isExpected ? "phone.handover.somebody_else" : "phone.handover.who")),
          h("fieldset", h("legend", t("stop.relation")), h("div", { class: "picks" }, relations.map(choice))),
          name,
        ),
        isExpected && owners.length > 1 && say("warn", "alert", h("p", t("phone.handover.several_owners", { names: owners.join(", ") }))),
        expected && form.relation && !isExpected && this.whyAnother(),
        this.papers(),
      ),
    );
  }

  /** @param {string} relation */
  receive(relation) {
    const { form } = this;
    const name = nameOf(relation, this.chosen);
    const isFilled = ["", ...this.here.flatMap((item) => [item.recipient, item.authorised])].includes(form.name);
    // A paper that was compared was somebody else's.
    this.change({ relation, ...(relation !== form.relation && { id: NO_ID() }), ...((relation === OWNER || isFilled) && { name }) });
  }

  /** @param {string} relation */
  chooseRelation(relation) {
    this.receive(relation);
    this.fillWho();
    this.fillId();
    /** @type {HTMLElement | null} */ (this.parts.who.querySelector(`input[value="${relation}"]`))?.focus();
  }

  whyAnother() {
    const why = field("why", t("phone.handover.why", { person: this.expectedWord }), {
      value: this.form.why,
      maxlength: LONGEST,
      autocomplete: "off",
      on: { input: (/** @type {any} */ { target }) => this.change({ why: target.value }) },
    });
    const input = why.querySelector("input");
    const common = WHY_NOT_THE_OWNER.map((code) => {
      const words = t(`phone.handover.why_not.${code}`);
      const fill = () => {
        input.value = words;
        this.change({ why: words });
      };
      return button("", words, { on: { click: fill } });
    });
    return h("div", { class: "stack tight" }, why, h("div", { class: "row" }, common));
  }

  /** As it stands within a sentence. */
  get expectedWord() {
    return word("person", this.expected).toLowerCase();
  }

  /** What this person shows, by the rules of the ticked items. */
  papers() {
    const { relation } = this.form;
    return this.rules.map((rule) => {
      if (!rule.persons) return say("warn", "info", h("p", h("span", { class: "strong" }, t("stop.who")), " ", h("span", { lang: "vi" }, rule.who)));
      const person = personOf(rule, relation);
      const words = person && [...rule.show[person], person === "authorised" && rule.authorisation].filter(Boolean);
      if (words) return words.length > 0 && h("p", h("span", { class: "strong" }, t("phone.handover.must_show")), " ", h("span", { lang: "vi" }, words.join(" · ")));
      return relation && say("warn", "alert", h("p", t("phone.handover.not_allowed"), " ", h("span", { lang: "vi", class: "strong" }, rule.who)));
    });
  }

  // ------------------------------------------------------------------------------------------------------- ID paper
  /** Ticked items whose owner's number this phone can compare with, while the owner himself stands here. */
  get comparable() {
    return this.form.relation === OWNER ? this.chosen.filter((item) => item.digests.id) : [];
  }

  /** What is known of the paper, for the ticked items. @returns {"" | "match" | "mismatch" | "none"} */
  get idCheck() {
    const { id } = this.form;
    if (id.by === "eye") return id.check;
    if (!id.by) return "";
    if (this.comparable.some((item) => id.wrong.includes(item.id))) return "mismatch";
    return this.comparable.length && this.comparable.every((item) => id.right.includes(item.id)) ? "match" : "";
  }

  /** @param {string} [onCard] the name that a card said, for the postman to compare */
  fillId(onCard) {
    this.scanning.abort();
    this.scanning = new AbortController();
    const check = this.idCheck;
    const { by } = this.form.id;
    const inner = check && by !== "eye" ? this.compared(check) : this.comparable.length ? this.toCompare() : this.byEye(onCard);
    this.parts.id.dataset.check = check;
    this.parts.id.replaceChildren(h("h2", { id: "id-title" }, t("stop.id_check")), ...shown(inner));
  }

  /** @param {string} check */
  compared(check) {
    const { last4, wrong } = this.form.id;
    const names = [...new Set(this.chosen.filter((item) => wrong.includes(item.id)).map((item) => item.recipient))];
    const anew = button("undo", t("phone.handover.id_again"), { id: "id-again", on: { click: () => this.forgetId() } });
    if (check === "match") return [say("good", "check", h("p", { class: "strong" }, word("id_check", "match")), h("p", t("phone.handover.id_last4", { last4 }))), h("p", anew)];
    return [
      say("bad", "alert", h("p", { class: "strong" }, t("phone.handover.id_wrong", { last4 })), h("p", names.join(", "))),
      h("p", { class: "actions" }, button("person", t("phone.handover.receives_for"), { id: "proxy", on: { click: () => this.proxy() } }), anew),
    ];
  }

  forgetId() {
    this.change({ id: NO_ID() });
    this.fillId();
  }

  /** Whoever stands here is not the owner: say who he is. */
  proxy() {
    this.change({ relation: "", name: "", id: NO_ID() });
    this.fillWho();
    this.fillId();
    this.parts.who.scrollIntoView({ block: "start" });
    /** @type {HTMLElement | null} */ (this.parts.who.querySelector("input[name=relation]"))?.focus();
  }

  toCompare() {
    const told = h("div", { role: "status", id: "id-told" });
    // The twelfth digit is enough: nothing more is to be tapped.
    const take = () => {
      const typed = typedNumber(input.value);
      if (typed) input.value = "";
      if (typed) void this.compareId([typed], "typed", told);
      return typed !== null;
    };
    const number = field("id-number", t("phone.handover.id_type"), { inputmode: "numeric", autocomplete: "off", maxlength: 20, on: { input: take } });
    const input = number.querySelector("input");
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      if (take() || this.comparing.size) return;
      told.replaceChildren(h("p", { class: "fault" }, t("phone.handover.id_twelve")));
      input.focus();
    };
    return [
      h("p", { class: "hint" }, t("phone.handover.id_hint")),
      this.cardScanner(told),
      h("form", { class: "row end", novalidate: true, on: { submit } }, h("div", { class: "grow" }, number), h("button", { class: "button" }, t("phone.handover.id_compare"))),
      told,
      h("details", { class: "more", open: this.form.id.by === "eye" }, h("summary", t("phone.handover.id_by_eye")), this.eye(["match", "none"])),
    ];
  }

  /** @param {string} [onCard] */
  byEye(onCard) {
    const told = h("div", { role: "status", id: "id-told" });
    if (onCard) {
      const isSame = bag.plain(onCard) === bag.plain(this.form.name);
      told.append(say(isSame ? "good" : "warn", isSame ? "check" : "alert", h("p", t(isSame ? "phone.handover.same_name" : "phone.handover.other_name", { name: onCard }))));
    }
    return [this.cardScanner(told), told, this.eye(["match", "mismatch", "none"])];
  }

  /** @param {("match" | "mismatch" | "none")[]} checks */
  eye(checks) {
    const { id } = this.form;
    const pick = (/** @type {"match" | "mismatch" | "none"} */ check) =>
      h(
        "label",
        { class: "pick" },
        h("input", { type: "radio", name: "id_check", value: check, checked: id.by === "eye" && id.check === check, on: { change: () => this.looked({ check }) } }),
        h("span", word("id_check", check)),
      );
    const last4 = field("id-last4", t("stop.last4"), {
      class: "short",
      value: id.last4,
      inputmode: "numeric",
      maxlength: 4,
      autocomplete: "off",
      on: { input: (/** @type {any} */ { target }) => this.looked({ last4: target.value }) },
    });
    return h("div", { class: "stack tight" }, h("fieldset", h("legend", { class: "hidden-words" }, t("stop.id_check")), checks.map(pick)), last4, h("p", { class: "hint" }, t("stop.last4_hint")));
  }

  /** @param {Partial<Form["id"]>} found */
  looked(found) {
    this.change({ id: { ...this.form.id, by: "eye", right: [], wrong: [], ...found } });
    this.parts.id.dataset.check = this.idCheck;
  }

  /** @param {HTMLElement} told */
  cardScanner(told) {
    const found = async (/** @type {string} */ text) => {
      const card = readCard(text);
      if (!card.numbers.length) {
        told.replaceChildren(h("p", { class: "fault" }, t("phone.handover.no_card")));
        return undefined;
      }
      if (this.comparable.length) await this.compareId(card.numbers, "scan", told);
      else this.takeCard(card);
      return "stop";
    };
    return scanner({ formats: ["qr_code"], label: t("phone.handover.scan_card"), found, signal: this.scanning.signal });
  }

  /** Nothing to compare the number with: the card says a name, and the postman looks whether it is this person's. @param {{numbers: string[], name: string}} card */
  takeCard({ numbers, name }) {
    const isExpected = this.form.relation === this.expected;
    this.change({ ...(name && !isExpected && { name }), id: { ...NO_ID(), by: "eye", last4: numbers[0].slice(-4) } });
    this.fillWho();
    this.fillId(name);
  }

  /** Compare numbers with what the bag knows of the owner; they are forgotten with the end of this. @param {string[]} numbers @param {"scan" | "typed"} by @param {HTMLElement} told */
  async compareId(numbers, by, told) {
    told.replaceChildren(h("p", t("phone.handover.comparing")));
    const { relation } = this.form;
    const work = compare(this.chosen, "id", numbers).then(({ right, wrong, text }) => {
      // Somebody else receives by now: it was not his card.
      if (this.signal.aborted || this.form.relation !== relation) return;
      this.change({ id: { check: "", by, last4: text.slice(-4), right, wrong } });
      this.fillId();
      this.parts.id.scrollIntoView({ block: "nearest" });
    });
    await this.during(work);
  }

  /** @param {Promise<unknown>} work */
  async during(work) {
    this.comparing.add(work);
    try {
      await work;
    } finally {
      this.comparing.delete(work);
    }
  }

  // ------------------------------------------------------------------------------------------------------ old papers
  fillSurrender() {
    const papers = new Map(this.rules.flatMap((rule) => rule.surrender.map((/** @type {any} */ paper) => [paper.code, paper])));
    const { surrender } = this.parts;
    surrender.hidden = papers.size === 0;
    const tick = (/** @type {any} */ paper) =>
      h(
        "label",
        { class: "pick" },
        h("input", {
          type: "checkbox",
          name: "surrendered",
          value: paper.code,
          checked: this.form.surrendered.includes(paper.code),
          on: {
            change: (/** @type {any} */ { target }) => {
              const others = this.form.surrendered.filter((code) => code !== paper.code);
              this.change({ surrendered: target.checked ? [...others, paper.code] : others });
            },
          },
        }),
        h(
          "span",
          h("span", { lang: "vi" }, paper.name),
          h("br"),
          h("span", { class: "soft small" }, [word("surrender_when", paper.when), !paper.mandatory && t("phone.handover.if_there")].filter(Boolean).join(" · ")),
        ),
      );
    surrender.replaceChildren(h("h2", { id: "surrender-title" }, t("stop.surrender")), h("fieldset", h("legend", { class: "hidden-words" }, t("stop.surrender")), [...papers.values()].map(tick)));
  }

  // ----------------------------------------------------------------------------------------------------------- money
  fillMoney() {
    const { chosen, known, form } = this;
    this.parts.money.replaceChildren(money.pocket({ known, items: chosen, value: form.money, changed: (/** @type {any} */ value) => this.change({ money: value }) }));
  }

  // ---------------------------------------------------------------------------------------------------------- proofs
  fillProofs() {
    const { form } = this;
    const wantsSignature = this.wants("signature");
    const { proofs } = this.parts;
    const place = h("div", { class: "stack tight" });
    const showPhoto = () => {
      const isAsked = this.wants("photo_place") || (wantsSignature && form.unable);
      place.replaceChildren(
        ...(isAsked
          ? [
              camera({ label: t(form.unable ? "phone.handover.photo_unable" : "phone.handover.photo_place"), value: form.photo, changed: (photo) => this.change({ photo }) }),
              h("p", { class: "hint" }, t("phone.handover.photo_hint")),
            ]
          : []),
      );
    };
    const tick = (/** @type {"paper_slip" | "unable"} */ name, /** @type {any[]} */ ...words) =>
      h(
        "label",
        { class: "pick" },
        h("input", {
          type: "checkbox",
          name,
          checked: form[name],
          on: {
            change: (/** @type {any} */ { target }) => {
              this.change({ [name]: target.checked });
              why.hidden = !form.unable;
              showPhoto();
            },
          },
        }),
        h("span", words),
      );
    const why = field("unable-why", t("phone.handover.unable_why"), {
      value: form.unable_why,
      maxlength: LONGEST,
      autocomplete: "off",
      on: { input: (/** @type {any} */ { target }) => this.change({ unable_why: target.value }) },
    });
    why.hidden = !form.unable;
    proofs.hidden = !wantsSignature && !this.wants("photo_place");
    proofs.replaceChildren(
      ...shown(
        h("h2", { id: "proofs-title" }, t(wantsSignature ? "phone.handover.signature" : "phone.handover.photo_place")),
        wantsSignature && [
          pad({ strokes: form.strokes, label: t("phone.handover.signature"), changed: (strokes) => this.change({ strokes }) }),
          h(
            "details",
            { class: "more", open: form.paper_slip || form.unable },
            h("summary", t("phone.handover.not_on_glass")),
            h(
              "div",
              { class: "stack tight" },
              tick("paper_slip", t("stop.signed"), h("br"), h("span", { class: "soft small" }, t("stop.signed_hint"))),
              tick("unable", t("phone.handover.unable")),
              why,
            ),
          ),
        ],
        place,
      ),
    );
    showPhoto();
  }

  // ----------------------------------------------------------------------------------------------- recipient's code
  fillCode() {
    const { form } = this;
    const told = h("div", { role: "status", id: "code-told" });
    const show = () => {
      const verdict = this.codeVerdict;
      this.parts.code.dataset.code = verdict;
      told.replaceChildren(...shown(verdict && verdict !== "short" && say(verdict === "wrong" ? "bad" : verdict === "right" ? "good" : "", verdict === "wrong" ? "alert" : "info", h("p", t(`phone.handover.code.${verdict}`)))));
    };
    const input = field("recipient-code", t("stop.recipient_code"), {
      class: "short",
      value: form.code.value,
      inputmode: "numeric",
      maxlength: 6,
      autocomplete: "off",
      on: {
        input: (/** @type {any} */ { target }) => {
          const value = target.value.trim();
          this.change({ code: { ...NO_CODE(), value } });
          if (isCode(value)) void this.during(this.compareCode(value).then(show));
          else show();
        },
      },
    });
    this.parts.code.open = form.code.value !== "";
    this.parts.code.replaceChildren(h("summary", t("stop.recipient_code")), h("div", { class: "stack tight" }, input, h("p", { class: "hint" }, t("stop.recipient_code_hint")), told));
    show();
  }

  /** The code is right when it is that of one of the ticked items. @returns {"" | "short" | "unknown" | "right" | "wrong"} */
  get codeVerdict() {
    const { value, right, wrong } = this.form.code;
    if (!value) return "";
    if (!isCode(value)) return "short";
    if (this.chosen.some((item) => right.includes(item.id))) return "right";
    return this.chosen.some((item) => wrong.includes(item.id)) ? "wrong" : "unknown";
  }

  /** @param {string} value */
  async compareCode(value) {
    const { right, wrong } = await compare(this.here, "code", [value]);
    if (!this.signal.aborted && this.form.code.value === value) this.change({ code: { value, right, wrong } });
  }

  // ------------------------------------------------------------------------------------------------------------ save
  /** What was done, for the rules. */
  act() {
    const { form } = this;
    const signed = this.wants("signature");
    return {
      relation: form.relation,
      id_check: this.idCheck || "none",
      surrendered: form.surrendered,
      proofs: [signed && isSigned(form.strokes) && "signature", signed && form.paper_slip && "paper_signature"].filter((kind) => typeof kind === "string"),
      collections: money.collectionsOf(this.chosen, form.money),
      wrong_code: this.codeVerdict === "wrong",
      wrong_last4: false,
    };
  }

  /** What stands against saving it as it is: nothing of it refuses the fact. @returns {import("./objections.js").Objection[]} */
  against() {
    const { form, chosen } = this;
    const ofMoney = money.objectionsOf(chosen, form.money);
    const isSaid = (/** @type {string} */ code) => NO_OBJECTION.includes(code) || ofMoney.some((one) => one.code === code);
    const found = [...objections(chosen, this.known.rules, this.act()).filter(({ code }) => !isSaid(code)), ...ofMoney];
    if (this.expected && form.relation !== this.expected && !form.why.trim()) found.push({ code: "no-reason-for-another", person: this.expectedWord });
    if (this.wants("signature") && form.unable && !(form.unable_why.trim() && form.photo)) found.push({ code: "unable-unproven" });
    if (chosen.some((item) => !item.in_my_bag && item.state !== "planned")) found.push({ code: "not-in-custody" });
    return found;
  }

  /** What makes it impossible to write anything down: [what is missing, in words; the field to go to]. @returns {[string, string] | null} */
  missing() {
    const { form } = this;
    if (this.wrong) return [t("phone.handover.missing.wrong_item", { code: this.wrong }), "#code"];
    if (!form.items.length) return [t("phone.handover.missing.items"), "input[name=items]"];
    if (!form.relation) return [t("phone.handover.missing.relation"), "input[name=relation]"];
    if (!form.name.trim()) return [t("phone.handover.missing.name"), "#receiver"];
    if (form.id.last4 && !/^\d{4}$/.test(form.id.last4)) return [t("stop.last4_wrong"), "#id-last4"];
    if (this.codeVerdict === "short") return [t("stop.recipient_code_wrong"), "#recipient-code"];
    const unsaid = money.objectionsOf(this.chosen, form.money).find(({ blocks }) => blocks);
    return unsaid ? [unsaid.words, "#pocket input[aria-invalid=true], #money-reason input"] : null;
  }

  /** @param {{anyway?: boolean}} [how] */
  async save({ anyway = false } = {}) {
    // Taps that come while this one is at work are this one.
    if (this.busy || this.isSaved) return;
    this.busy = true;
    this.told.replaceChildren();
    this.root.dataset.saving = "1";
    try {
      await Promise.all(this.comparing);
      const missing = this.missing();
      if (missing) return this.ask(...missing);
      const against = anyway ? [] : this.against();
      if (against.length) return this.object(against);
      const { receipt } = await this.record();
      this.isSaved = true;
      const name = this.form.name.trim();
      leaveNote(t(receipt ? "phone.handover.saved_receipt" : "phone.handover.saved", { name, count: this.chosen.length, receipt }));
      go("/");
    } catch (fault) {
      if (!(fault instanceof outbox.NotSaved)) throw fault;
      this.show();
      this.told.replaceChildren(notSaved());
      this.told.scrollIntoView({ block: "center" });
    } finally {
      this.busy = false;
      delete this.root.dataset.saving;
      if (this.isStale && !this.isSaved) void this.keep();
    }
  }

  /** @param {string} words @param {string} where */
  ask(words, where) {
    this.told.replaceChildren(say("bad", "alert", h("p", { class: "strong" }, words)));
    const target = /** @type {HTMLElement | null} */ (this.sheet?.querySelector(where));
    const folded = target?.closest("details");
    if (folded) folded.open = true;
    target?.focus();
    target?.scrollIntoView({ block: "center" });
  }

  /** Say which rule stands against it and let the postman decide. @param {import("./objections.js").Objection[]} against */
  object(against) {
    const sentence = (/** @type {import("./objections.js").Objection} */ { code, words, who, paper, person, due, taken }) =>
      words ?? t(`phone.handover.breach.${code}`, { who, paper, person, due: due !== undefined && dong(due), taken: taken !== undefined && dong(taken) });
    this.told.replaceChildren();
    const title = h("h1", { tabindex: "-1" }, t("objections.title"));
    this.root.replaceChildren(
      h("div", { class: "title" }, title),
      say("bad", "alert", h("ul", against.map((one) => h("li", { dataset: { code: one.code } }, sentence(one))))),
      h("p", t("objections.words")),
      h(
        "div",
        { class: "card" },
        h("p", { class: "soft" }, t("objections.record_hint")),
        button("", t("objections.record"), { look: "bad wide", id: "record-anyway", on: { click: () => this.save({ anyway: true }) } }),
      ),
      button("alert", t("objections.failed"), { look: "wide", id: "failed", href: `#/failed/${this.stop.id}` }),
      bar(
        button("undo", t("objections.correct"), { look: "main", id: "correct", on: { click: () => this.show() } }),
      ),
    );
    title.focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  /** Whatever is handed over was in the bag; of a bag that nobody counted in the morning it is said now. */
  async load() {
    const { form, chosen, stop } = this;
    const items = chosen.filter((item) => !item.in_my_bag && item.state === "planned" && !this.loaded.has(item.id)).map((item) => item.id);
    if (!items.length) return;
    await outbox.record({ event_id: form.taken_id, type: "taken_out", items, local: { stop: stop.id, sequence: stop.sequence } });
    // Should the handover itself not be saved, and another item be ticked then: that one is another act.
    for (const id of items) this.loaded.add(id);
    this.change({ taken_id: outbox.newId() });
  }

  async record() {
    const { form, chosen, stop, key } = this;
    await this.load();
    const { id_check, surrendered, proofs, collections } = this.act();
    const media = [];
    if (proofs.includes("signature")) media.push({ kind: "signature", blob: await png(form.strokes) });
    const isUnable = this.wants("signature") && form.unable;
    if (form.photo) media.push({ kind: isUnable ? "photo" : "photo_place", blob: form.photo });
    const name = form.name.trim();
    const known = new Set(this.rules.flatMap((rule) => rule.surrender.map((/** @type {any} */ paper) => paper.code)));
    return outbox.record({
      event_id: form.event_id,
      type: "handed_over",
      items: chosen.map((item) => item.id),
      data: {
        receiver: { name, relation: form.relation, id_check, id_last4: form.id.last4 || null },
        ...(form.id.by && { id_checked_by: form.id.by }),
        ...(form.relation !== this.expected && form.why.trim() && { why_another: form.why.trim() }),
        ...(isUnable && { unable_to_sign: form.unable_why.trim() || true }),
        ...money.toldOf(chosen, form.money),
        collections: collections.map(({ charge, amount_dong, method }) => ({ charge, amount_dong, method })),
        surrendered: surrendered.filter((code) => known.has(code)),
        proofs: [...(proofs.includes("paper_signature") ? [{ kind: "paper_signature" }] : []), ...(form.code.value ? [{ kind: "recipient_code", value: form.code.value }] : [])],
      },
      media,
      local: {
        stop: stop.id,
        sequence: stop.sequence,
        receiver: { name },
        ...money.localOf(chosen, form.money),
      },
      draft: key,
    });
  }
}

/** @param {string} value */
const isCode = (value) => /^\d{6}$/.test(value);

/** @param {any[]} children */
const shown = (...children) => children.flat(Infinity).filter(Boolean);

/** A field with its label. @param {string} id @param {string} label @param {any} props */
const field = (id, label, props) => h("div", { class: "field" }, h("label", { for: id }, label), h("input", { id, name: id, ...props }));
