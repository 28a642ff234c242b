/** Breaks of the page of the API: INV-8, what is open says nothing and runs nothing. */
import { type Mutant, mutantsOf } from "./mutant.ts";

const DOCS = "test/unit/http/docs.test.ts";

const http = mutantsOf("http");

export const DOCS_MUTANTS: readonly Mutant[] = [
  http("docs-of-probes", "INV-8", DOCS, "app.ts", 'probes: "open", docs: false', 'probes: "open", docs: true'),
  http("docs-styles-unsafe", "INV-8", DOCS, "docs/serve.ts", "style-src ${style};", "style-src 'unsafe-inline';"),
  http("docs-ids-twice", "INV-8", DOCS, "docs/page.ts", "=> `section-${name}`", "=> name"),
]; // prettier-ignore
