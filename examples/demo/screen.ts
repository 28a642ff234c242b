/**
 * Redraws a terminal in place, on the alternate screen, so that the previous content is restored at the end.
 *
 * Only changed rows are written, which keeps a selection in the others; after a resize everything is redrawn. However the
 * process exits, the cursor and the main screen are restored.
 */
import type { WriteStream } from "node:tty";
import type { Line } from "./table.ts";

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME_AND_CLEAR = "\u001b[H\u001b[2J";
const CLEAR_TO_END_OF_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

const to = (row: number) => `\u001b[${row + 1};1H`;

export class Screen {
  readonly #out: WriteStream;
  #rows: string[] = [];
  #last: Line[] = [];
  #isOpen = true;
  readonly #restore = () => this.#leave();
  readonly #onResize = () => {
    this.#rows = [];
    this.#out.write(HOME_AND_CLEAR);
    this.draw(this.#last);
  };

  constructor(out: WriteStream) {
    this.#out = out;
    out.write(ENTER + HOME_AND_CLEAR);
    process.once("exit", this.#restore);
    out.on("resize", this.#onResize);
  }

  get columns(): number {
    return this.#out.columns;
  }

  get rows(): number {
    return this.#out.rows;
  }

  draw(lines: Line[]): void {
    if (!this.#isOpen) return;
    this.#last = lines;
    const rows = lines.slice(0, this.rows).map(render);
    let written = "";
    rows.forEach((row, i) => {
      if (row !== this.#rows[i]) written += to(i) + row + CLEAR_TO_END_OF_LINE;
    });
    if (rows.length < this.#rows.length) written += to(rows.length) + CLEAR_BELOW;
    this.#rows = rows;
    if (written !== "") this.#out.write(written);
  }

  /** Restores the terminal and leaves the last picture on it. */
  close(): void {
    this.#leave();
    process.off("exit", this.#restore);
    this.#out.off("resize", this.#onResize);
    this.#out.write(`${this.#last.map(render).join("\n")}\n`);
  }

  #leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#out.write(LEAVE);
  }
}

function render(line: Line): string {
  return line.map(({ text, style }) => (style === undefined || text === "" ? text : style(text))).join("");
}
