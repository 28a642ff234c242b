/**
 * Goal: the manifests of deploy/kubernetes, deploy/compose.yaml and the Dockerfile name what exists in this version, hold no secrets, and
 * give a process no right that it does not need.
 * Method: they are parsed, and what they name is looked up in the code. test/scenario/deploy.test.ts runs what they start.
 */
import { execFileSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import * as v from "valibot";
import { ENTRIES } from "../../../deploy/entries.ts";
import { TABLE as COMMANDS } from "../../../src/cli/table.ts";
import { WorkerHealth } from "../../../src/node/worker-health.ts";
import { aclRules, type Role, ROLES } from "../../../src/core/access.ts";
import { CLOSE_MS } from "../../../src/core/limits.ts";
import { VERSION } from "../../../src/core/version.ts";
import { type Variable, VARIABLES } from "../../../src/edge/variables.ts";
import { createProbes } from "../../../src/http/app.ts";
import { createReader } from "../../../src/reader/create.ts";
import { readPage, ROOT } from "../docs/markdown.ts";
import { documents, imageEnvironment, instructions, read } from "./support.ts";

const TABLE: Readonly<Record<string, Variable<unknown>>> = VARIABLES;

/** How long running requests may take once the server closes, s: docs/options.md, `signal`. */
const REQUESTS_S = 8;

/** Fails for a variable that nothing reads, one with an invalid value, and a secret with a value. */
function checkVariable(name: string, value: string | undefined): void {
  expect(Object.keys(TABLE)).toContain(name);
  if (value === undefined) return;
  expect(TABLE[name]!.isSecret ?? false, `${name} has a value`).toBe(false);
  TABLE[name]!.take(value);
}

const labels = v.record(v.string(), v.string());
const selector = v.strictObject({ matchLabels: labels });
const probe = v.object({ httpGet: v.object({ path: v.string(), port: v.string() }) });
const container = v.object({
  image: v.literal("rollcall"),
  command: v.array(v.string()),
  env: v.array(
    v.union([
      v.strictObject({ name: v.string(), value: v.string() }),
      v.strictObject({
        name: v.string(),
        valueFrom: v.strictObject({
          secretKeyRef: v.strictObject({ name: v.literal("rollcall"), key: v.string() }),
        }),
      }),
    ]),
  ),
  ports: v.optional(v.array(v.strictObject({ name: v.string(), containerPort: v.number() })), []),
  lifecycle: v.optional(v.object({ preStop: v.object({ sleep: v.object({ seconds: v.number() }) }) })),
  resources: v.object({
    requests: v.object({ cpu: v.string(), memory: v.string() }),
    limits: v.object({ memory: v.string() }),
  }),
  // What the Pod Security Standard "restricted" asks for, and a file system that nobody writes to.
  securityContext: v.object({
    allowPrivilegeEscalation: v.literal(false),
    readOnlyRootFilesystem: v.literal(true),
    capabilities: v.object({ drop: v.tuple([v.literal("ALL")]) }),
  }),
});
const pod = v.object({
  metadata: v.object({ labels }),
  spec: v.object({
    terminationGracePeriodSeconds: v.number(),
    automountServiceAccountToken: v.literal(false),
    securityContext: v.object({
      runAsNonRoot: v.literal(true),
      runAsUser: v.pipe(v.number(), v.minValue(1)),
      seccompProfile: v.object({ type: v.literal("RuntimeDefault") }),
    }),
    containers: v.tuple([container]),
  }),
});
const serving = v.object({ startupProbe: probe, livenessProbe: probe, readinessProbe: probe });
const deployment = v.object({
  kind: v.literal("Deployment"),
  metadata: v.object({ name: v.string() }),
  spec: v.object({ replicas: v.pipe(v.number(), v.minValue(2)), selector, template: pod }),
});
const cronJob = v.object({
  kind: v.literal("CronJob"),
  spec: v.object({
    schedule: v.literal("* * * * *"),
    concurrencyPolicy: v.literal("Forbid"),
    jobTemplate: v.object({
      spec: v.object({
        backoffLimit: v.literal(0),
        activeDeadlineSeconds: v.pipe(v.number(), v.maxValue(59)),
        template: pod,
      }),
    }),
  }),
});
const budget = v.object({
  kind: v.literal("PodDisruptionBudget"),
  spec: v.strictObject({ maxUnavailable: v.literal(1), selector }),
});
const service = v.object({
  kind: v.literal("Service"),
  spec: v.object({ selector: labels, ports: v.array(v.object({ targetPort: v.string() })) }),
});
const policy = v.object({
  kind: v.literal("NetworkPolicy"),
  spec: v.object({ ingress: v.array(v.object({ ports: v.array(v.object({ port: v.string() })) })) }),
});
const object = v.variant("kind", [deployment, cronJob, budget, service, policy]);

const FILES = ["app", "api", "sweep", "worker", "network"];
const objects = FILES.flatMap((name) => documents(`kubernetes/${name}.yaml`)).map((one) =>
  v.parse(object, one),
);
const deployments = objects.filter((one) => one.kind === "Deployment");
const jobs = objects.filter((one) => one.kind === "CronJob");
const pods = [
  ...deployments.map(({ spec }) => spec.template),
  ...jobs.map(({ spec }) => spec.jobTemplate.spec.template),
];

it("every pod starts what is in the image, with variables that exist and secrets by reference", () => {
  expect(pods).toHaveLength(4);
  const page = readPage("docs/deploy.md");
  for (const { spec } of pods) {
    const [{ command, env }] = spec.containers;
    const [name = "", file = ""] = command;
    if (name === "node") expect(Object.keys(ENTRIES)).toContain(file.replace(/\.mjs$/, ""));
    else expect(name).toBe("rollcall");
    for (const one of env) {
      checkVariable(one.name, "value" in one ? one.value : undefined);
      // The page says how to make the secret.
      if ("valueFrom" in one) expect(page).toContain(`--from-literal=${one.valueFrom.secretKeyRef.key}=`);
    }
  }
  for (const file of Object.values(ENTRIES)) expect(existsSync(join(ROOT, file)), file).toBe(true);
});

it("the commands of `rollcall` that are run exist", () => {
  const commands = jobs.map(({ spec }) => spec.jobTemplate.spec.template.spec.containers[0].command[1]!);
  expect(commands).toEqual(["sweep"]);
  const names = COMMANDS.map(({ name }) => name);
  for (const name of commands) expect(names).toContain(name);
}); // prettier-ignore

it("probes ask paths that exist, at the health port, and a pod is given the time it needs to end", async () => {
  const reader = createReader({ redis: "redis://127.0.0.1:1" });
  const step = () => Promise.reject(new Error("not asked"));
  const worker = new WorkerHealth({ shards: 1, step }, new AbortController().signal).app;
  const probes = createProbes({ reader, timeout: 100 });
  for (const { metadata, spec } of deployments) {
    const { containers, terminationGracePeriodSeconds } = spec.template.spec;
    const [{ env, ports, lifecycle, command }] = containers;
    const raw = documentsOf(metadata.name);
    const { startupProbe, livenessProbe, readinessProbe } = v.parse(serving, raw);
    const value = (name: string) => env.find((one) => one.name === name && "value" in one);
    const number = (name: string) => Number((value(name) as { value?: string } | undefined)?.value ?? 0);
    const app = command[1] === "projector.mjs" ? worker : probes;
    for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
      const port = ports.find(({ name }) => name === httpGet.port)?.containerPort;
      expect(port, metadata.name).toBe(number("ROLLCALL_HEALTH_PORT"));
      const response = await app.fetch(new Request(`http://localhost${httpGet.path}`));
      expect([200, 503], httpGet.path).toContain(response.status);
    }
    // A restart does not bring Redis back, so no liveness probe asks for it.
    expect([startupProbe.httpGet.path, livenessProbe.httpGet.path]).toEqual(["/health", "/health"]);
    const needed =
      (lifecycle?.preStop.sleep.seconds ?? 0) +
      number("ROLLCALL_DRAIN") / 1_000 +
      CLOSE_MS / 1_000 +
      REQUESTS_S;
    expect(terminationGracePeriodSeconds, metadata.name).toBeGreaterThan(needed);
    const http = ports.find(({ name }) => name === "http");
    if (http !== undefined) expect(http.containerPort).toBe(number("PORT"));
  }
  reader.close();
});

/** The container of a deployment, as it is in its file. */
function documentsOf(name: string): unknown {
  const all = FILES.flatMap((file) => documents(`kubernetes/${file}.yaml`)) as {
    kind: string;
    metadata: { name: string };
    spec: { template: { spec: { containers: unknown[] } } };
  }[];
  return all.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === name)!.spec.template.spec
    .containers[0];
}

it("what selects pods selects some, and ports are named as the pods name them", () => {
  const matches = (wanted: Readonly<Record<string, string>>) =>
    deployments.filter(({ spec }) =>
      Object.entries(wanted).every(([name, value]) => spec.template.metadata.labels[name] === value),
    );
  for (const { spec } of deployments) expect(matches(spec.selector.matchLabels)).toHaveLength(1);
  for (const one of objects) {
    if (one.kind === "PodDisruptionBudget")
      expect(matches(one.spec.selector.matchLabels)).toHaveLength(1);
    if (one.kind !== "Service") continue;
    const [found] = matches(one.spec.selector);
    const names = found!.spec.template.spec.containers[0].ports.map(({ name }) => name);
    for (const { targetPort } of one.spec.ports) expect(names).toContain(targetPort);
  }
  const named = new Set(pods.flatMap(({ spec }) => spec.containers[0].ports.map(({ name }) => name)));
  const policies = objects.filter((one) => one.kind === "NetworkPolicy");
  const closed = policies.flatMap(({ spec }) => spec.ingress.flatMap(({ ports }) => ports.map(({ port }) => port)));
  expect(new Set(closed)).toEqual(named);
}); // prettier-ignore

it("the kustomization has every file but the worker's, and the image of this version", (context) => {
  const { resources, images } = v.parse(
    v.object({
      resources: v.array(v.string()),
      images: v.tuple([v.object({ name: v.literal("rollcall"), newTag: v.string() })]),
    }),
    documents("kubernetes/kustomization.yaml")[0],
  );
  const files = globSync("*.yaml", { cwd: join(ROOT, "deploy/kubernetes") });
  expect([...resources, "worker.yaml", "kustomization.yaml"].sort()).toEqual(files.sort());
  expect(images[0].newTag).toBe(VERSION);
  try {
    execFileSync("kubectl", ["version", "--client"], { stdio: "pipe" });
  } catch {
    process.stderr.write("skipped: no kubectl in PATH\n");
    context.skip("no kubectl in PATH");
  }
  const built = execFileSync("kubectl", ["kustomize", "deploy/kubernetes"], { cwd: ROOT, encoding: "utf8" });
  expect(built.match(/^kind: \w+$/gm)).toHaveLength(8);
  expect(built).not.toMatch(/image: rollcall$/m);
});

const composed = v.object({
  services: v.record(
    v.string(),
    v.object({
      image: v.pipe(v.string(), v.regex(/^\S+:\d+\.\d+\.\d+\S*$/)),
      command: v.array(v.string()),
      environment: v.optional(labels, {}),
      ports: v.optional(v.array(v.string()), []),
      cap_drop: v.tuple([v.literal("ALL")]),
      stop_grace_period: v.optional(v.string()),
      depends_on: v.optional(v.record(v.string(), v.object({ condition: v.literal("service_healthy") })), {}),
    }),
  ),
  configs: v.object({ users: v.object({ content: v.string() }) }),
});

it("compose starts what is in the image, with variables that exist, no secrets, and ports on this machine alone", () => {
  const { services } = v.parse(composed, documents("compose.yaml")[0]);
  expect(Object.keys(services)).toEqual(["redis", "app", "api", "projector"]);
  for (const [service, { command, environment, ports, image, depends_on, stop_grace_period }] of Object.entries(services)) {
    for (const port of ports) expect(port, service).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
    if (service === "redis") {
      // Else counts would be wrong until they heal.
      expect(command.join(" ")).toContain("--maxmemory-policy noeviction --aclfile /etc/redis/users.acl");
      continue;
    }
    expect(image).toBe(`rollcall:${VERSION}`);
    expect(Object.keys(depends_on)).toEqual(["redis"]);
    expect(Object.keys(ENTRIES).map((name) => `node ${name}.mjs`)).toContain(command.join(" "));
    for (const [name, value] of Object.entries(environment)) {
      const isSecret = TABLE[name]?.isSecret === true;
      // Compose refuses to start when one of these is not set.
      if (isSecret) expect(value).toMatch(/^(?:redis:\/\/[\w-]+:\$\{\w+:\?\}@redis:6379|\$\{\w+:\?\})$/);
      checkVariable(name, isSecret ? undefined : value);
    }
    const drain = Number(environment["ROLLCALL_DRAIN"] ?? 0) / 1_000;
    expect(Number.parseInt(stop_grace_period!, 10)).toBeGreaterThan(drain + CLOSE_MS / 1_000 + REQUESTS_S);
  }
}); // prettier-ignore

it("compose gives Redis the users that `rollcall acl` prints", () => {
  const { configs, services } = v.parse(composed, documents("compose.yaml")[0]);
  const [first, ...users] = configs.users.content.trim().split("\n");
  expect(first).toBe("user default reset on nopass +ping");
  const urls = Object.values(services).flatMap(({ environment }) => environment["REDIS_URL"] ?? []);
  expect(urls).toHaveLength(users.length);
  for (const line of users) {
    const [, name = "", password = ""] = /^user (\S+) reset (>\$\{\w+:\?\}) /.exec(line)!;
    const role = name.replace(/^rollcall-/, "") as Role;
    expect(ROLES).toContain(role);
    const [reset, ...rules] = aclRules({ role });
    expect(line).toBe(["user", name, reset, password, ...rules].join(" "));
    expect(urls).toContain(`redis://${name}:${password.slice(1)}@redis:6379`);
  }
});

it("the Dockerfile pins what it starts from, runs no scripts of packages, and ends as a user that is not root", () => {
  const lines = instructions("Dockerfile");
  const all = (name: string) => lines.flatMap(([one, rest]) => (one === name ? [rest] : []));
  const { devDependencies } = JSON.parse(read("../package.json")) as { devDependencies: Record<string, string> };
  expect(all("ARG")).toEqual([`NODE=node:${devDependencies["node"]}-bookworm-slim`]);
  expect(all("FROM")).toEqual(["${NODE} AS build", "${NODE}"]);
  expect(all("RUN")[0]).toMatch(/^npm ci --ignore-scripts /);
  expect(all("USER").at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  // In exec form: a shell would keep SIGTERM for itself.
  for (const command of [all("CMD").at(-1)!, all("HEALTHCHECK")[0]!.replace(/^.* CMD /, "")])
    expect(Object.keys(ENTRIES)).toContain((JSON.parse(command) as string[])[1]!.replace(/\.mjs$/, ""));
  const environment = imageEnvironment();
  for (const [name, value] of Object.entries(environment)) if (name !== "NODE_ENV") checkVariable(name, value);
  expect(all("EXPOSE")).toEqual([`${environment["PORT"]} ${environment["ROLLCALL_HEALTH_PORT"]}`]);
}); // prettier-ignore

it("what the Dockerfile copies exists, and the ignore file lets that in and nothing else", () => {
  const sources = instructions("Dockerfile")
    .filter(([name, rest]) => name === "COPY" && !rest.startsWith("--from"))
    .flatMap(([, rest]) => rest.split(" ").slice(0, -1));
  for (const source of sources) expect(existsSync(join(ROOT, source)), source).toBe(true);
  const rules = read("Dockerfile.dockerignore")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  expect(rules[0]).toBe("*");
  const allowed = rules.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  expect(allowed.sort()).toEqual([...new Set(sources.map((source) => source.split("/")[0]!))].sort());
  for (const secret of ["**/.env", "**/.dev.vars", "**/node_modules"]) expect(rules).toContain(secret);
});
