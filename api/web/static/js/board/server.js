// @ts-check
// What the board asks of the server: one change after another, and of several trials only the last.

export class Server {
  /** @param {string} address of the plan @param {number} version that the page shows */
  constructor(address, version) {
    this.address = address;
    this.version = version;
    this.trial = null;
    this.turn = Promise.resolve();
    this.waiting = 0;
  }

  /** Writes a change; those before it come first. @returns {Promise<{status: number, body: any}>} */
  change(edit) {
    this.forget();
    this.waiting += 1;
    const mine = this.turn.then(() => this.send(edit, "", undefined)).finally(() => { this.waiting -= 1; });
    this.turn = mine.then(() => undefined, () => undefined);
    return mine;
  }

  /** What a change would do once those before it are written; null when another trial or a change came in between. */
  async tryOut(edit) {
    this.forget();
    const trial = new AbortController();
    this.trial = trial;
    await this.turn;
    if (this.trial !== trial) return null;
    try {
      const answer = await this.send(edit, "?preview=true", trial.signal);
      return this.trial === trial ? answer : null;
    } catch (fault) {
      if (trial.signal.aborted) return null;
      throw fault;
    }
  }

  forget() {
    this.trial?.abort();
    this.trial = null;
  }

  async send(edit, query, signal) {
    const answer = await fetch(`${this.address}/edits${query}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "If-Match": `"${this.version}"`, "X-Requested-With": "board" },
      body: JSON.stringify(edit),
      signal,
    });
    const body = await answer.json();
    if (answer.status === 200 && !query) this.version = body.version;
    return { status: answer.status, body };
  }
}
