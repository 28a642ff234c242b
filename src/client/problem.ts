/** What to do about an answer that is not the API's own problem document. */
const HINTS: Readonly<Record<number, string>> = {
  401: ": set `token`",
  403: ": use a token that may read this, and check what stands in front of the API",
  404: ": check the URL; routes such as /v1/counts are added to it",
};

/** A problem that the client found itself. */
export interface Found {
  readonly code: string;
  readonly detail: string;
}

/** An error answer of the API: a problem document (RFC 9457). */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly status: number;
  /**
   * A code to branch on, such as "TOKEN_INVALID". "UNKNOWN" when something other than the API answered; from follow() also
   * "NOT_EVENTS" and "REDIRECTED".
   */
  readonly code: string;
  /** How long the API asks to wait before a retry, ms. */
  readonly retryAfter: number | undefined;
  /** The document as received. */
  readonly problem: Readonly<Record<string, unknown>>;

  private constructor(response: Response, problem: Readonly<Record<string, unknown>>) {
    const { detail, code } = problem;
    const { status } = response;
    super(typeof detail === "string" ? detail : `the API answered ${status}${HINTS[status] ?? ""}`);
    this.status = status;
    this.code = typeof code === "string" ? code : "UNKNOWN";
    this.retryAfter = retryAfterOf(response.headers.get("retry-after"));
    this.problem = problem;
  }

  /** Reads the document of an answer; with `found`, leaves the answer unread. */
  static async of(response: Response, found?: Found): Promise<ProblemError> {
    if (found !== undefined) {
      await response.body?.cancel().catch(() => {});
      return ProblemError.with(response, found);
    }
    const body: unknown = await response.json().catch(() => undefined);
    const isObject = typeof body === "object" && body !== null && !Array.isArray(body);
    return new ProblemError(response, isObject ? (body as Record<string, unknown>) : {});
  }

  static with(response: Response, found: Found): ProblemError {
    return new ProblemError(response, { ...found });
  }
}

/** ms. Seconds or a date (RFC 9110, 10.2.3). */
function retryAfterOf(text: string | null): number | undefined {
  if (text === null || text.trim() === "") return undefined;
  const seconds = Number(text);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
