/** `rollcall token`: signs a browser token, or says what one grants. The secret is in the environment only, and never printed. */
import type { GrantAction } from "../core/grant.ts";
import { browserTokensFrom } from "../edge/environment.ts";
import { signToken } from "../tokens/sign.ts";
import { type Call, EXIT, UsageError } from "./command.ts";
import { environmentOf, readFrom } from "./environment.ts";
import { escaped, Printer } from "./print.ts";

/** More than the longest token there is: what follows is not read. */
const STDIN_MAX = 20_000;

export async function run(call: Call): Promise<number> {
  const [given] = call.given.positionals;
  if (given === undefined) return sign(call);
  for (const name of ["subject", "action", "user", "scope", "expires"])
    if (call.given.isOnLine(name)) throw new UsageError(`--${name} is for signing: leave out the token`);
  return explain(call, given === "-" ? await piped(call) : given);
}

/** The options of the API's variables. */
function optionsOf(call: Call) {
  const options = readFrom(call, () => browserTokensFrom(environmentOf(call)));
  if (options === undefined)
    throw new UsageError(
      "no secret: set ROLLCALL_BROWSER_SECRETS, ROLLCALL_BROWSER_ISSUER and ROLLCALL_BROWSER_AUDIENCE as for the API",
    );
  return options;
}

async function sign(call: Call): Promise<number> {
  const { given, io } = call;
  const { secrets, issuer, audience } = optionsOf(call);
  const secret = typeof secrets === "string" ? secrets : secrets?.[0];
  if (secret === undefined)
    throw new UsageError(
      "with ROLLCALL_BROWSER_JWKS your identity provider signs; this command signs with ROLLCALL_BROWSER_SECRETS",
    );
  const subject = given.text("subject");
  const actions = given.list("action") as readonly GrantAction[];
  if (subject === undefined) throw new UsageError("name the holder: --subject <id>");
  if (actions.length === 0) throw new UsageError("name what it allows: --action lookup --action changes");
  const users = given.list("user");
  const scopes = given.list("scope");
  const token = await signToken({
    secret,
    issuer,
    audience,
    subject,
    grants: {
      actions,
      ...(users.length > 0 && { users: users.includes("*") ? ("*" as const) : users }),
      ...(scopes.length > 0 && { scopes }),
    },
    expiresIn: given.number("expires"),
  });
  const printer = new Printer(io);
  if (given.on("json")) printer.json({ token });
  else printer.line(token);
  return EXIT.ok;
}

async function explain(call: Call, token: string): Promise<number> {
  const { given, io } = call;
  const options = optionsOf(call);
  const { explainToken } = await import("../http/explain.ts");
  const told = await explainToken(token, options);
  const printer = new Printer(io);
  if (given.on("json")) printer.json(told);
  else {
    const { valid, why, header, claims, endsAt, unknownActions } = told;
    printer.line(valid ? "valid" : `refused: ${why}`);
    if (endsAt !== null) printer.line(`until ${endsAt.toISOString()}`);
    if (unknownActions.length > 0)
      printer.line(`grant nothing: ${unknownActions.map((action) => escaped(action)).join(", ")}`);
    for (const part of [header, claims]) if (part !== null) printer.line(escaped(JSON.stringify(part)));
  }
  return told.valid ? EXIT.ok : EXIT.no;
}

async function piped({ io }: Call): Promise<string> {
  let text = "";
  for await (const chunk of io.stdin) {
    text += String(chunk);
    if (text.length > STDIN_MAX) break;
  }
  return text.trim();
}
