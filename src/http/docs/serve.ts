/** The answer of GET /docs. */
import { type Answer, textAnswer } from "../answer.ts";
import type { Document } from "../openapi.ts";
import { pageOf } from "./page.ts";
import { STYLE } from "./style.ts";

/** Made once: the document of an app does not change. Nothing may run, nothing may be loaded, and only these styles apply. `data:` is its icon. */
export async function docsOf(document: Document): Promise<Answer> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(STYLE)));
  const style = `'sha256-${btoa(String.fromCharCode(...digest))}'`;
  const policy = `default-src 'none'; style-src ${style}; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  const page = await pageOf(document, STYLE);
  return textAnswer(page.toString(), {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
  });
}
