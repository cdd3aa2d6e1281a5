// @ts-check
// Fetching a dossier: its papers are counted against the list of its kind, packed and sealed before the sender's eyes, both sign, fees
// are taken, and the sender keeps a slip whose code the office can look up. Nothing is refused; what is missing is named first.

import * as bag from "./bag.js";
import { bar, button, go, h, heading, icon, language, leaveNote, notSaved, say, t } from "./dom.js";
import { localOf, objectionsOf, pocket, toldOf } from "./money.js";
import * as outbox from "./outbox.js";
import { digest } from "./seal.js";
import { isSigned, pad, png } from "./sign.js";

const LONGEST_NAME = 200;
const MOST_OF_ONE = 99;
const SIGNERS = ["sender", "postman"];
// Without the letters that are mistaken for digits or for each other (Crockford's base 32).
const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * A paper as it was counted; `at` is its place in the list of the kind, null for one beside the list.
 * @typedef {{at: number | null, name: string, original: boolean, count: number}} Counted
 * @typedef {{event_id: string, out_id: string, papers: Counted[], incomplete: boolean, sealed: boolean, seal: string,
 *   strokes: Record<string, import("./sign.js").Strokes>, on_paper: boolean, money: any}} Draft
 */

/** @param {{stop: string, item: string}} params */
export async function screen({ stop: stopId, item: itemId }) {
  const known = await bag.today();
  const stop = known && bag.stopOf(known, stopId);
  const item = stop?.items.find((/** @type {any} */ one) => one.id === itemId);
  if (!item) return gone("phone.door.gone");
  if (!bag.canFetch(item)) return gone("phone.fetch.done_already");
  const key = `fetch|${item.id}`;
  const kept = await outbox.drafts.get(key);
  const fetching = new Fetching(known, stop, item, key, kept ?? emptyDraft());
  // Its ids are fixed before anybody can tap "save".
  if (!kept) await fetching.keep({});
  return fetching.element;
}

/** @returns {Draft} */
const emptyDraft = () => ({ event_id: outbox.newId(), out_id: outbox.newId(), papers: [], incomplete: false, sealed: false, seal: "", strokes: {}, on_paper: false, money: {} });

/** @param {string} why */
const gone = (why) =>
  h("div", { class: "stack" }, heading(t("phone.fetch.title")), say("warn", "info", h("p", t(why))), bar(button("back", t("phone.core.to_list"), { look: "main", href: "#/" })));

/**
 * The code of a slip: the item's barcode, by which the office finds it, and four letters that only this act has, by which it sees
 * that the slip is of this act and read aright.
 * @param {string} barcode @param {string} event_id
 */
export async function slipOf(barcode, event_id) {
  const found = await digest(new TextEncoder().encode(`${barcode}|${event_id}`));
  const bits = parseInt(found.slice(0, 5), 16);
  return `${barcode}-${[15, 10, 5, 0].map((shift) => LETTERS[(bits >> shift) & 31]).join("")}`;
}

class Fetching {
  /** @param {any} known @param {any} stop @param {any} item @param {string} key @param {Draft} draft */
  constructor(known, stop, item, key, draft) {
    this.known = known;
    this.stop = stop;
    this.item = item;
    this.key = key;
    this.draft = draft;
    this.kind = known.document_types[item.document_type];
    this.list = /** @type {{name: string, original: boolean, mandatory: boolean}[]} */ (this.kind?.papers ?? []);
    this.papers = h("div", { class: "stack tight" });
    this.others = h("div", { class: "stack tight" });
    this.missing = h("div", { class: "stack tight" });
    this.trouble = h("div", { id: "trouble", tabindex: "-1" });
    this.agreed = false;
    this.isSaving = false;
    this.bar = bar();
    this.element = h(
      "div",
      { class: "stack fetch" },
      heading(t("phone.fetch.title"), `/stop/${stop.id}`),
      this.who(),
      this.counting(),
      this.sealing(),
      pocket({ known, items: [item], value: draft.money, changed: (money) => this.keep({ money }) }),
      this.signing(),
      this.trouble,
      this.bar,
    );
    this.show();
  }

  /** @param {Partial<Draft>} news */
  async keep(news) {
    this.draft = { ...this.draft, ...news };
    this.agreed = false;
    this.show();
    try {
      await outbox.drafts.put(this.key, this.draft);
    } catch (fault) {
      if (!(fault instanceof outbox.NotSaved)) throw fault;
      this.tell(notSaved());
    }
  }

  /** @param {...any} children */
  tell(...children) {
    this.trouble.replaceChildren(...children);
    if (!children.length) return;
    this.trouble.focus({ preventScroll: true });
    this.trouble.scrollIntoView({ block: "center" });
  }

  // ------------------------------------------------------------------------------------------------- the parts of the form
  who() {
    const { item, stop } = this;
    return h(
      "section",
      { class: "card", "aria-label": t("phone.fetch.sender") },
      h("p", { class: "strong" }, item.recipient),
      h("p", stop.address),
      h("p", h("span", { class: "code" }, item.barcode), " · ", h("span", { lang: language() }, this.kind?.[language()] ?? item.document_type)),
    );
  }

  counting() {
    return h(
      "section",
      { class: "card", "aria-labelledby": "papers-title" },
      h("h2", { id: "papers-title" }, t("phone.fetch.papers")),
      h("p", { class: "hint" }, t("phone.fetch.papers_hint")),
      this.papers,
      this.missing,
      this.others,
      button("paper", t("phone.fetch.add"), { look: "wide", id: "add-paper", on: { click: () => this.add() } }),
    );
  }

  sealing() {
    const number = h("input", { id: "seal", value: this.draft.seal, maxlength: 40, autocomplete: "off", autocapitalize: "characters" });
    number.addEventListener("input", () => this.keep({ seal: number.value }));
    const sealed = h("input", { type: "checkbox", id: "sealed", checked: this.draft.sealed });
    sealed.addEventListener("change", () => this.keep({ sealed: sealed.checked }));
    return h(
      "section",
      { class: "card", "aria-labelledby": "seal-title" },
      h("h2", { id: "seal-title" }, t("phone.fetch.seal")),
      h("label", { class: "pick" }, sealed, h("span", t("phone.fetch.sealed"))),
      h("div", { class: "field" }, h("label", { for: "seal" }, t("phone.fetch.seal_number")), number),
    );
  }

  signing() {
    const onPaper = h("input", { type: "checkbox", id: "on-paper", checked: this.draft.on_paper });
    onPaper.addEventListener("change", () => this.keep({ on_paper: onPaper.checked }));
    return h(
      "section",
      { class: "card", "aria-labelledby": "sign-title" },
      h("h2", { id: "sign-title" }, t("phone.fetch.sign")),
      SIGNERS.map((signer) =>
        h(
          "div",
          { class: "stack tight", id: `sign-${signer}` },
          h("p", { class: "label" }, t(`phone.fetch.signs.${signer}`)),
          pad({ strokes: this.draft.strokes[signer], changed: (strokes) => this.keep({ strokes: { ...this.draft.strokes, [signer]: strokes } }), label: t(`phone.fetch.signs.${signer}`) }),
        ),
      ),
      h("label", { class: "pick" }, onPaper, h("span", t("phone.fetch.on_paper"))),
    );
  }

  // -------------------------------------------------------------------------------------------------------- the counting
  /** What was counted of a place in the list. @param {number} at */
  counted = (at) => this.draft.papers.find((paper) => paper.at === at);

  lacking = () => this.list.filter((paper, at) => paper.mandatory && !this.counted(at));

  /** Papers of which the list wants the original, and a copy was counted. */
  copies = () => this.draft.papers.filter((paper) => paper.at !== null && this.list[paper.at].original && !paper.original);

  show() {
    const focused = document.activeElement?.id;
    this.papers.replaceChildren(...this.list.map((paper, at) => this.listed(paper, at)));
    const beside = this.draft.papers.filter((paper) => paper.at === null);
    // A name that is being typed stays where it is.
    const isTyped = document.activeElement instanceof HTMLInputElement && this.others.contains(document.activeElement);
    if (this.others.childElementCount !== beside.length || !isTyped) {
      this.others.replaceChildren(...beside.map((paper, number) => this.beside(paper, number)));
    }
    this.missing.replaceChildren(...this.missed());
    if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
    this.bar.replaceChildren(button("check", t(this.agreed ? "phone.fetch.save_anyway" : "phone.fetch.save"), { look: "main", id: "save", on: { click: () => this.save() } }));
  }

  /** @param {{name: string, original: boolean, mandatory: boolean}} paper @param {number} at */
  listed(paper, at) {
    const own = this.counted(at);
    const toggle = () => {
      const rest = this.draft.papers.filter((one) => one !== own);
      this.keep({ papers: own ? rest : [...rest, { at, name: paper.name, original: paper.original, count: 1 }], incomplete: false });
    };
    const kind = t(paper.original ? "phone.fetch.original" : "phone.fetch.copy");
    return h(
      "div",
      { class: "paper stack tight", dataset: { paper: String(at) } },
      h(
        "label",
        { class: "pick" },
        h("input", { type: "checkbox", id: `paper-${at}`, checked: Boolean(own), on: { change: toggle } }),
        h("span", h("span", { class: "strong", lang: "vi" }, paper.name), h("br"), `${kind} · ${t(paper.mandatory ? "phone.fetch.mandatory" : "phone.fetch.optional")}`),
      ),
      own && this.amount(own, () => this.counted(at), `paper-${at}`),
      own && paper.original && !own.original && h("p", { class: "fault" }, icon("alert"), t("phone.fetch.copy_only")),
    );
  }

  /** @param {Counted | undefined} paper as it stands in the draft @param {Partial<Counted>} news */
  change = (paper, news) => this.keep({ papers: this.draft.papers.map((one) => (one === paper ? { ...one, ...news } : one)) });

  /**
   * Original or copy, and how many. What is shown may be older than the draft, which `now` asks.
   * @param {Counted} paper @param {() => Counted | undefined} now @param {string} id
   */
  amount(paper, now, id) {
    const step = (/** @type {string} */ sign, /** @type {number} */ by) =>
      button("", sign, {
        id: `${id}${by > 0 ? "-more" : "-less"}`,
        "aria-label": t(by > 0 ? "phone.fetch.more" : "phone.fetch.less", { name: paper.name }),
        disabled: by < 0 ? paper.count <= 1 : paper.count >= MOST_OF_ONE,
        on: { click: () => this.change(now(), { count: (now()?.count ?? 0) + by }) },
      });
    const kind = (/** @type {boolean} */ original) =>
      button(paper.original === original ? "check" : "", t(original ? "phone.fetch.original" : "phone.fetch.copy"), {
        id: `${id}-${original ? "original" : "copy"}`,
        "aria-pressed": String(paper.original === original),
        on: { click: () => this.change(now(), { original }) },
      });
    return h("div", { class: "amount-of" }, h("div", { class: "row" }, kind(true), kind(false)), h("div", { class: "row" }, step("\u2212", -1), h("span", { class: "strong number", id: `${id}-count` }, t("phone.fetch.count", { count: paper.count })), step("+", 1)));
  }

  /** @param {Counted} paper one that the list does not ask for @param {number} number */
  beside(paper, number) {
    const id = `other-${number}`;
    const now = () => this.draft.papers.filter((one) => one.at === null)[number];
    const name = h("input", { id, value: paper.name, maxlength: LONGEST_NAME, autocomplete: "off", on: { input: () => this.change(now(), { name: name.value }) } });
    return h(
      "div",
      { class: "paper stack tight" },
      h("div", { class: "field" }, h("label", { for: id }, t("phone.fetch.other", { number: number + 1 })), name),
      this.amount(paper, now, id),
      button("cross", t("phone.fetch.drop"), { id: `${id}-drop`, on: { click: () => this.keep({ papers: this.draft.papers.filter((one) => one !== now()) }) } }),
    );
  }

  async add() {
    await this.keep({ papers: [...this.draft.papers, { at: null, name: "", original: true, count: 1 }] });
    document.getElementById(`other-${this.draft.papers.filter((one) => one.at === null).length - 1}`)?.focus();
  }

  /** Mandatory papers that are not there: named, and sent all the same only when the sender knows. */
  missed() {
    const lacking = this.lacking();
    if (!lacking.length || !this.draft.papers.length) return [];
    const known = h("input", { type: "checkbox", id: "incomplete", checked: this.draft.incomplete });
    known.addEventListener("change", () => this.keep({ incomplete: known.checked }));
    return [
      say("warn", "alert", h("p", { class: "strong" }, t("phone.fetch.missing")), h("ul", lacking.map((paper) => h("li", { lang: "vi" }, paper.name)))),
      h("label", { class: "pick" }, known, h("span", t("phone.fetch.incomplete"))),
    ];
  }

  // ----------------------------------------------------------------------------------------------------------- recording
  /** What must be done first, and what the postman only has to confirm. */
  objections() {
    const { draft } = this;
    const money = objectionsOf([this.item], draft.money);
    const blocks = [
      !draft.papers.length && t("phone.fetch.none_counted"),
      draft.papers.length > 0 && this.lacking().length > 0 && !draft.incomplete && t("phone.fetch.missing_unconfirmed", { names: this.lacking().map((paper) => paper.name).join(", ") }),
      draft.papers.some((paper) => !paper.name.trim()) && t("phone.fetch.no_name"),
      !draft.sealed && !draft.seal.trim() && t("phone.fetch.not_sealed"),
      !draft.on_paper && SIGNERS.some((signer) => !isSigned(draft.strokes[signer] ?? [])) && t("phone.fetch.not_signed"),
      ...money.filter((one) => one.blocks).map((one) => one.words),
    ].filter(Boolean);
    const doubts = [...this.copies().map((paper) => t("phone.fetch.copy_of", { name: paper.name })), ...money.filter((one) => !one.blocks).map((one) => one.words)];
    return { blocks, doubts };
  }

  async save() {
    if (this.isSaving) return;
    const { blocks, doubts } = this.objections();
    const list = (/** @type {any[]} */ words) => h("ul", words.map((one) => h("li", one)));
    if (blocks.length) return this.tell(say("bad", "alert", h("p", { class: "strong" }, t("phone.fetch.first")), list(blocks)));
    if (doubts.length && !this.agreed) {
      this.agreed = true;
      this.show();
      return this.tell(say("warn", "alert", h("p", { class: "strong" }, t("phone.fetch.sure")), list(doubts)));
    }
    this.isSaving = true;
    try {
      await this.record();
    } catch (fault) {
      if (!(fault instanceof outbox.NotSaved)) throw fault;
      return this.tell(notSaved());
    } finally {
      this.isSaving = false;
    }
    leaveNote(t("phone.fetch.saved", { name: this.item.recipient }));
    go(`/receipt/${this.draft.event_id}`);
  }

  async record() {
    const { item, stop, draft } = this;
    const about = { stop: stop.id, sequence: stop.sequence };
    // Whoever fetches was on his way: the server wants to know that first.
    if (item.state === "planned") await outbox.record({ event_id: draft.out_id, type: "taken_out", items: [item.id], local: about });
    const slip = await slipOf(item.barcode, draft.event_id);
    const there = draft.papers.map(({ name, original, count }) => ({ name: name.trim(), original, count }));
    const absent = this.list.filter((_, at) => !this.counted(at));
    const signed = draft.on_paper ? [] : SIGNERS;
    const media = await Promise.all(signed.map(async (signer) => ({ kind: signer === "sender" ? "signature" : "postman_signature", blob: await png(draft.strokes[signer]) })));
    const local = localOf([item], draft.money);
    await outbox.record({
      event_id: draft.event_id,
      type: "fetched",
      items: [item.id],
      data: {
        papers: [...there.map((paper) => ({ ...paper, present: true })), ...absent.map(({ name, original }) => ({ name, original, present: false, count: 0 }))],
        ...(this.lacking().length > 0 && { incomplete_confirmed: draft.incomplete }),
        sealed: draft.seal.trim() || draft.sealed,
        slip,
        collections: local.collections,
        proofs: draft.on_paper ? [{ kind: "paper_signature" }] : [],
        ...toldOf([item], draft.money),
      },
      media,
      local: { ...about, receiver: { name: item.recipient }, ...local, slip, papers: there, sealed: draft.seal.trim() || draft.sealed },
      draft: this.key,
    });
  }
}
