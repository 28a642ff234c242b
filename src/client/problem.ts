/** An error answer of the API: a problem document (RFC 9457). */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly status: number;
  /** A code to branch on, such as "TOKEN_INVALID"; "UNKNOWN" when something other than the API answered. */
  readonly code: string;
  /** How long the API asks to wait before a retry, ms. */
  readonly retryAfter: number | undefined;
  /** The document as received. */
  readonly problem: Readonly<Record<string, unknown>>;

  private constructor(response: Response, problem: Readonly<Record<string, unknown>>) {
    const { detail, code } = problem;
    super(typeof detail === "string" ? detail : `the API answered ${response.status}`);
    this.status = response.status;
    this.code = typeof code === "string" ? code : "UNKNOWN";
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    this.retryAfter = Number.isFinite(seconds) ? seconds * 1000 : undefined;
    this.problem = problem;
  }

  static async of(response: Response): Promise<ProblemError> {
    const body: unknown = await response.json().catch(() => undefined);
    const isObject = typeof body === "object" && body !== null && !Array.isArray(body);
    return new ProblemError(response, isObject ? (body as Record<string, unknown>) : {});
  }
}
