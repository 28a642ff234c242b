/**
 * Goal: /openapi.json is a valid OpenAPI 3.1 document of every route, and every answer and problem matches it.
 * Method: a third-party validator; real answers checked against the schemas from which the document is generated.
 */
import { Validator } from "@seriousme/openapi-schema-validator";
import { beforeAll, describe, expect, it } from "vitest";
import * as v from "valibot";
import { problemSchema } from "../../../src/http/problem.ts";
import { healthSchema } from "../../../src/http/routes/health.ts";
import { readySchema } from "../../../src/http/routes/ready.ts";
import { servingSchema } from "../../../src/http/routes/serving.ts";
import { changesAnswerSchema } from "../../../src/reader/answers/changes.ts";
import { countsSchema } from "../../../src/reader/answers/counts.ts";
import { processesAnswerSchema } from "../../../src/reader/answers/processes.ts";
import { scopesPageSchema } from "../../../src/reader/answers/scopes.ts";
import { userAnswerSchema, usersAnswerSchema, usersPageSchema } from "../../../src/reader/answers/users.ts";
import { appOver, HOSTILE_IDS, newPrefix, populate, type TestApp, useRedis } from "./support.ts";

const test = useRedis();
let api: TestApp;
beforeAll(async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice", ...HOSTILE_IDS] });
  api = appOver(test.redis, { prefix }, { counts: "closed" });
});

interface Operation {
  readonly operationId: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly { name: string; in: string; required?: boolean }[];
  readonly requestBody?: { content: Record<string, { schema: object }> };
  readonly responses: Record<string, { content?: Record<string, { schema: object }> }>;
}
type Document = { openapi: string; paths: Record<string, Record<string, Operation>> };

const document = () => api.get<Document>("/openapi.json");

it("the document is valid and open", async () => {
  const response = await api.request("/openapi.json", { headers: { authorization: "" } });
  expect(response.status).toBe(200);
  const found = (await response.json()) as Document;
  expect(found.openapi).toBe("3.1.0");
  const result = await new Validator().validate(found);
  expect(result).toEqual({ valid: true });
});

it("the document lists every route and no other", async () => {
  const { paths } = await document();
  const listed = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace("{id}", ":id")}`),
  );
  const routes = api.app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path}`);
  // The document does not list itself, nor the page that shows it.
  expect(listed.sort()).toEqual([...new Set(routes)].filter((route) => !/openapi|docs/.test(route)).sort());
});

it("the document names the parameters of the routes, and any other is refused", async () => {
  const { paths } = await document();
  const queries = Object.entries(paths).flatMap(([path, { get }]) =>
    (get?.parameters ?? [])
      .filter((parameter) => parameter.in === "query")
      .map(({ name }) => `${path} ${name}`),
  );
  expect(queries.sort()).toEqual([
    "/v1/changes after",
    "/v1/changes format",
    "/v1/changes from",
    "/v1/changes limit",
    "/v1/changes namespace",
    "/v1/changes room",
    "/v1/changes to",
    "/v1/changes user",
    "/v1/counts namespace",
    "/v1/counts room",
    "/v1/history from",
    "/v1/history namespace",
    "/v1/history room",
    "/v1/history step",
    "/v1/history to",
    "/v1/scopes cursor",
    "/v1/scopes limit",
    "/v1/scopes namespace",
    "/v1/scopes prefix",
    "/v1/scopes sort",
    "/v1/users at",
    "/v1/users cursor",
    "/v1/users format",
    "/v1/users limit",
    "/v1/users max",
    "/v1/users namespace",
    "/v1/users room",
    "/v1/users/{id} namespace",
    "/v1/users/{id} room",
    "/v1/users/{id}/sessions cursor",
    "/v1/users/{id}/sessions format",
    "/v1/users/{id}/sessions from",
    "/v1/users/{id}/sessions limit",
    "/v1/users/{id}/sessions to",
  ]);
  expect(paths["/v1/users/{id}"]!["get"]!.parameters![0]).toMatchObject({
    name: "id",
    in: "path",
    required: true,
  });
  const scopes = paths["/v1/counts/lookup"]!["post"]!.requestBody!.content["application/json"]!.schema;
  expect(scopes).toMatchObject({
    properties: { scopes: { type: "array", maxItems: 1000, items: { additionalProperties: false } } },
    required: ["scopes"],
    additionalProperties: false,
  });
  const body = paths["/v1/users/lookup"]!["post"]!.requestBody!.content["application/json"]!.schema;
  expect(body).toMatchObject({
    type: "object",
    properties: { ids: { type: "array", maxItems: 1000 } },
    required: ["ids"],
    additionalProperties: false,
  });
});

it("the document says which routes require a token", async () => {
  const { paths } = await document();
  const open = Object.entries(paths).flatMap(([path, methods]) =>
    Object.values(methods).flatMap(({ security }) => (security === undefined ? [path] : [])),
  );
  expect(open).toEqual(["/health", "/serving", "/"]);
});

it("the document says that only the counts of the whole are open by default, and to whom the others are", async () => {
  const described = async (counts?: "open" | "whole") => {
    const { paths } = await appOver(test.redis, { prefix: newPrefix() }, { counts }).get<Document>(
      "/openapi.json",
    );
    const { security, responses } = paths["/v1/counts"]!["get"]!;
    return [security, Object.keys(responses).includes("401")];
  };
  expect(await described()).toEqual([[{}, { bearer: [] }, { browser: [] }], true]);
  expect(await described("whole")).toEqual(await described());
  expect(await described("open")).toEqual([undefined, false]);
});

describe("answers match the schemas", () => {
  it.each([
    ["/health", healthSchema],
    ["/serving", servingSchema],
    ["/ready", readySchema],
    ["/v1/counts", countsSchema],
    ["/v1/users", usersPageSchema],
    ["/v1/users/alice", userAnswerSchema],
    ["/v1/users/nobody", userAnswerSchema],
    ["/v1/processes", processesAnswerSchema],
    ["/v1/changes", changesAnswerSchema],
    ["/v1/changes?after=0-0", changesAnswerSchema],
    ["/v1/scopes", scopesPageSchema],
  ])("%s", async (path, schema) => {
    const answer = await api.get(path);
    const { issues } = v.safeParse(schema, answer);
    expect(issues).toBeUndefined();
  });

  it("a lookup", async () => {
    const answer: unknown = await (await api.lookup({ ids: ["alice"] })).json();
    expect(v.safeParse(usersAnswerSchema, answer).issues).toBeUndefined();
  });

  it.each([
    "/v1/users?x=1",
    "/nothing",
    "/v1/changes?after=x",
    "/v1/counts?room=a",
    "/v1/counts?namespace=a",
  ])("the problem of %s", async (path) => {
    const answer: unknown = await (await api.request(path)).json();
    expect(v.safeParse(problemSchema, answer).issues).toBeUndefined();
  });
});
