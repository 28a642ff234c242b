/** The files of deploy/, parsed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ROOT } from "../docs/markdown.ts";

export const read = (file: string): string => readFileSync(join(ROOT, "deploy", file), "utf8");

/** Every document of a YAML file. Throws for an error or a warning. */
export function documents(file: string): unknown[] {
  return parseAllDocuments(read(file), { merge: true }).map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw problem;
    return document.toJS() as unknown;
  });
}

/** An instruction of a Dockerfile, such as `["COPY", "src src"]`; without comments, and each on one line. */
export function instructions(file: string): (readonly [name: string, rest: string])[] {
  return read(file)
    .split("\n")
    .filter((line) => /^[A-Z]+ /.test(line))
    .map((line) => [line.split(" ", 1)[0]!, line.slice(line.indexOf(" ") + 1)] as const);
}

/** The environment that the image sets. */
export function imageEnvironment(): Record<string, string> {
  const found = instructions("Dockerfile").filter(([name]) => name === "ENV");
  return Object.fromEntries(
    found.flatMap(([, rest]) => rest.split(" ").map((pair) => pair.split("=") as [string, string])),
  );
}
