/**
 * Answers as CSV (RFC 4180): a line of names, CRLF, fields in quotes where they need it. What a spreadsheet could take for a formula gets
 * an apostrophe in front. What CSV has no place for is in header fields.
 */
import type { Context } from "hono";
import { type Answer, type Fields, textAnswer, valueOf } from "./answer.ts";
import { Problem } from "./problem.ts";

/** What a client asked for: `format` decides, else `Accept`. */
export function wantsCsv(c: Context, format: "csv" | "json" | undefined): boolean {
  if (format !== undefined) return format === "csv";
  return /(?:^|,)\s*text\/csv\s*(?:;(?!\s*q=0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)/i.test(
    c.req.header("accept") ?? "",
  );
}

/**
 * User ids are text that strangers may choose. Spreadsheets run a cell that begins with one of `= + - @`, a tab or a line break. An
 * apostrophe of its own gets one more, so that removing the first one gives every id back.
 */
export function cellOf(value: string | null | undefined): string {
  const text = value ?? "";
  const safe = /^[=+\-@\t\r\n']/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

type Row = Readonly<Record<string, string | null>>;

/** A table: a name for each column, and rows. */
function csvOf(columns: readonly string[], rows: readonly Row[]): string {
  const lines = [columns.join(","), ...rows.map((row) => columns.map((name) => cellOf(row[name])).join(","))];
  return `${lines.join("\r\n")}\r\n`;
}

/** What the answers about the past have in common, after JSON. */
interface Told {
  readonly exact?: boolean;
  readonly since?: string;
  readonly next?: string | null;
  readonly more?: boolean;
  readonly user?: string;
  readonly users?: readonly string[] | null;
  readonly sessions?: readonly Row[];
  readonly changes?: readonly Row[];
}

function toldOf(answer: Answer): Told {
  return valueOf(answer);
}

function fieldsOf(name: string, { exact = false, since, next, more = true }: Told): Fields {
  return {
    "content-type": "text/csv; charset=utf-8; header=present",
    "content-disposition": `attachment; filename="${name}.csv"`,
    "rollcall-exact": String(exact),
    ...(since !== undefined && { "rollcall-since": since }),
    ...(more && typeof next === "string" && { "rollcall-next": next }),
  };
}

/** Throws Problem 409 NOT_KEPT where there is no list: an empty table would look like nobody. */
export async function usersCsv(answer: Answer): Promise<Answer> {
  const told = toldOf(answer);
  const { users, since } = told;
  if (users === null || users === undefined) {
    const detail =
      "the changes since then are no longer kept, so nobody can say who was there; `since` says from when on";
    throw new Problem(409, "NOT_KEPT", detail, { members: { since } });
  }
  const rows = users.map((user) => ({ user }));
  return textAnswer(csvOf(["user"], rows), fieldsOf("users", told));
}

export async function sessionsCsv(answer: Answer): Promise<Answer> {
  const told = toldOf(answer);
  const { user = "", sessions = [] } = told;
  const rows = sessions.map((session) => ({ user, ...session }));
  return textAnswer(csvOf(["user", "start", "end", "cause"], rows), fieldsOf("sessions", told));
}

export async function changesCsv(answer: Answer): Promise<Answer> {
  const told = toldOf(answer);
  return textAnswer(
    csvOf(["at", "user", "type", "cause", "id"], told.changes ?? []),
    fieldsOf("changes", told),
  );
}
