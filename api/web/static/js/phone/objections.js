// @ts-check
// What the rules say of a handover before it is saved: on this phone, without a signal, the same as the server will say afterwards
// (courier/domain/release.py). Nothing here refuses a fact; it only says which rule stands against it.

/**
 * A release rule as it stands in the bag; a kind of paper without a known rule has no `persons`.
 * @typedef {{who: string, persons?: string[], relatives?: string[], ids?: string[], show: Record<string, string[]>,
 *   surrender: {code: string, name: string, mandatory: boolean, when: string}[], proofs: string[],
 *   authorisation?: string | null}} Rule
 *
 * What was done: `proofs` are kinds, `wrong_code` and `wrong_last4` what a comparison found.
 * @typedef {{relation: string, id_check: string, surrendered: string[], proofs: string[],
 *   collections: {charge: string, amount_dong: number, method: string}[], wrong_code: boolean, wrong_last4: boolean}} DoorAct
 *
 * A rule that is broken: its code, and the values of the sentence about it.
 * @typedef {{code: string, [value: string]: any}} Objection
 */

const SIGNATURES = ["signature", "paper_signature"];

/** Has the kind of paper a rule at all? @param {Rule} rule */
export const isKnown = (rule) => Array.isArray(rule.persons);

/**
 * The word of a rule for who receives, by his relation to the owner; null when he may not.
 * @param {Rule} rule
 * @param {string} relation
 * @returns {string | null}
 */
export function personOf({ persons = [], relatives = [] }, relation) {
  if (persons.includes(relation)) return relation;
  if (!relatives.includes(relation)) return null;
  return ["relative", "guardian"].find((person) => persons.includes(person)) ?? null;
}

/** Must this person show an ID paper? @param {Rule} rule @param {string} relation */
export function mustShowId(rule, relation) {
  const { persons = [], ids = [] } = rule;
  const person = personOf(rule, relation) ?? "owner";
  return !persons.includes(person) || ids.includes(person);
}

/**
 * What one item's handover did against its rule and its charges; empty when all was in order.
 * @param {DoorAct} act
 * @param {Rule} rule
 * @param {{id: string, amount_dong: number}[]} charges
 * @returns {Objection[]}
 */
export function breaches(act, rule, charges) {
  /** @type {Objection[]} */
  const found = [];
  if (act.wrong_code) found.push({ code: "recipient-code-wrong" });
  if (act.wrong_last4 && act.id_check === "match") found.push({ code: "id-mismatch" });
  if (isKnown(rule)) {
    if (personOf(rule, act.relation) === null) found.push({ code: "receiver-not-allowed", who: rule.who });
    if (act.id_check === "mismatch") found.push({ code: "id-mismatch" });
    else if (act.id_check === "none" && mustShowId(rule, act.relation)) found.push({ code: "id-not-checked" });
    for (const paper of rule.surrender) {
      const isDue = paper.mandatory && paper.when === "always";
      if (isDue && !act.surrendered.includes(paper.code)) found.push({ code: "surrender-missing", paper: paper.name });
    }
    const isSigned = act.proofs.some((proof) => SIGNATURES.includes(proof));
    if (rule.proofs.includes("signature") && !isSigned) found.push({ code: "proof-missing" });
  }
  return [...found, ...aboutMoney(act.collections, charges)];
}

/** @param {DoorAct["collections"]} collections @param {{id: string, amount_dong: number}[]} charges */
function aboutMoney(collections, charges) {
  /** @type {Objection[]} */
  const found = [];
  /** @type {Map<string, number>} */
  const taken = new Map();
  for (const { charge, amount_dong } of collections) taken.set(charge, (taken.get(charge) ?? 0) + amount_dong);
  for (const { id, amount_dong: due } of charges) {
    const amount = taken.get(id) ?? 0;
    taken.delete(id);
    if (amount !== due) found.push({ code: amount < due ? "underpaid" : "overpaid", due, taken: amount });
  }
  for (const amount of taken.values()) if (amount) found.push({ code: "unknown-charge", taken: amount });
  if (collections.some(({ method, amount_dong }) => method === "bank_qr" && amount_dong)) found.push({ code: "transfer-unconfirmed" });
  return found;
}

/**
 * What the rules of all items say of one act for all of them, each thing once.
 * @param {{rule: string, charges: {id: string, amount_dong: number}[]}[]} items
 * @param {Record<string, Rule>} rules
 * @param {DoorAct} act
 * @returns {Objection[]}
 */
export function objections(items, rules, act) {
  const all = items.flatMap((item) => {
    const own = item.charges.map((charge) => charge.id);
    return breaches({ ...act, collections: act.collections.filter((line) => own.includes(line.charge)) }, rules[item.rule], item.charges);
  });
  const seen = new Map(all.map((one) => [JSON.stringify(one), one]));
  return [...seen.values()];
}
