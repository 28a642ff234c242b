/** What the faults did, line by line, and the table of it at the end. Pure. */

export interface Row {
  readonly fault: string;
  times: number;
  /** The longest it took to heal, ms. */
  worst: number;
  /** How long it may take, ms; NaN: nothing had to heal. */
  bound: number;
  /** The largest difference between presence and the clients, while it lasted. */
  usersOff: number;
  socketsOff: number;
  /** `offline` reported for a user who was present, by the clients' own record. */
  false: number;
  /** The same where the promise does not hold: the lease expired, or the data was lost. */
  excused: number;
}

export class Ledger {
  readonly #rows = new Map<string, Row>();

  row(fault: string): Row {
    let row = this.#rows.get(fault);
    if (row === undefined) {
      row = {
        fault,
        times: 0,
        worst: 0,
        bound: Number.NaN,
        usersOff: 0,
        socketsOff: 0,
        false: 0,
        excused: 0,
      };
      this.#rows.set(fault, row);
    }
    return row;
  }

  healed(fault: string, ms: number, bound: number): void {
    const row = this.row(fault);
    // Of several stages the one that came nearest to its bound, so that the two figures belong together.
    if (Number.isNaN(row.bound) || ms / bound >= row.worst / row.bound) {
      row.worst = ms;
      row.bound = bound;
    }
  }

  off(fault: string, users: number, sockets: number): void {
    const row = this.row(fault);
    row.usersOff = Math.max(row.usersOff, users);
    row.socketsOff = Math.max(row.socketsOff, sockets);
  }

  get rows(): readonly Row[] {
    return [...this.#rows.values()];
  }
}

const HEADINGS = ["fault", "times", "worst heal", "bound", "users off", "sockets off", "false offline", "excused"]; // prettier-ignore

const seconds = (ms: number) => (Number.isNaN(ms) ? "-" : `${(ms / 1000).toFixed(1)} s`);

export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.fault,
    row.times === 0 ? "-" : String(row.times),
    seconds(Number.isNaN(row.bound) ? Number.NaN : row.worst),
    seconds(row.bound),
    String(row.usersOff),
    String(row.socketsOff),
    String(row.false),
    String(row.excused),
  ]);
  const all = [HEADINGS, ...cells];
  const widths = HEADINGS.map((_, i) => Math.max(...all.map((line) => line[i]!.length)));
  return all
    .map((line) =>
      line
        .map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
