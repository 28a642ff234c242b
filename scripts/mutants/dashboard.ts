/** Breaks of the dashboard: INV-8 (who gets the token that is in the page), INV-9 (what the page keeps). */
import { type Mutant, mutantsOf } from "./mutant.ts";

const ROUTE = "test/unit/http/dashboard.test.ts";
const PAGE = "test/unit/dashboard/page.test.ts";

const http = mutantsOf("http");
const dashboard = mutantsOf("dashboard");

export const DASHBOARD_MUTANTS: readonly Mutant[] = [
  http(
    "dashboard-token-for-any-name",
    "INV-8",
    ROUTE,
    "routes/dashboard.ts",
    "token !== undefined && isLocal(c)",
    "token !== undefined",
  ),
  http(
    "dashboard-token-for-any-address",
    "INV-8",
    ROUTE,
    "routes/dashboard.ts",
    "address === undefined || address",
    "address !== null || address",
  ),
  http(
    "dashboard-token-in-caches",
    "INV-8",
    ROUTE,
    "routes/dashboard.ts",
    'isOwn ? "no-store" : "public, no-cache"',
    '"public, no-cache"',
  ),
  http(
    "dashboard-page-of-another-app",
    "INV-8",
    ROUTE,
    "routes/dashboard.ts",
    "await (own ??= pageWith(token))",
    "await (shared = pageWith(token))",
  ),
  dashboard(
    "dashboard-ring-grows",
    "INV-9",
    PAGE,
    "ring.ts",
    "if (this.#samples.length > KEPT)",
    "if (this.#samples.length > KEPT * 100)",
  ),
  dashboard(
    "dashboard-crash-of-another-time",
    "INV-8",
    PAGE,
    "incidents.ts",
    "one.processes.includes(name) && Math.abs(one.at - at) < 2 * TOGETHER_MS",
    "one.processes.includes(name)",
  ),
  dashboard(
    "dashboard-grant-of-nobody-is-everybody",
    "INV-8",
    PAGE,
    "grant.ts",
    'users: users === "*" ? "*" : list.length',
    'users: "*"',
  ),
];
