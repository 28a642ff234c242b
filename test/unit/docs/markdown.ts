/** Fenced code blocks and links of the documentation, with the file and line they stand at. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** Every page that a reader of the repository or of the package can open. */
export const PAGES: readonly string[] = globSync(
  ["*.md", "docs/**/*.md", "examples/**/*.md", "packages/*/README.md"],
  { cwd: ROOT, exclude: (name) => name.includes("node_modules") },
).sort();

/**
 * One fenced block. A comment on the line above the fence says how it is checked; its parts are separated by `;`:
 *
 *   <!-- with: presence -->   the names of a prelude (preludes.ts) are in scope
 *   <!-- run -->              also run to its end against a real Redis
 *   <!-- run: NAME -->        also run and talked to, by the test of that name
 *   <!-- from: FILE -->       its lines stand in this file, in this order
 *   <!-- answer: NAME -->     JSON that has to fit that schema of the API
 *   <!-- output -->           what a program prints, or a drawing: only for a block without a language
 */
export interface Block {
  readonly page: string;
  /** Line of the first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
  readonly marks: ReadonlyMap<string, string>;
}

export const at = ({ page, line }: Block): string => `${page}:${line}`;

/** Throws for a fence that is never closed. */
export function blocksOf(page: string, text: string): Block[] {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  for (let i = 0; i < lines.length; i++) {
    const fence = /^( *)(`{3,})(.*)$/.exec(lines[i]!);
    if (fence === null) continue;
    const [, indent = "", ticks = "", language = ""] = fence;
    const end = lines.findIndex((line, at) => at > i && line.trim() === ticks);
    if (end === -1) throw new Error(`${page}:${i + 1}: this block is never closed`);
    const code = lines.slice(i + 1, end).map((line) => line.slice(indent.length));
    blocks.push({
      page,
      line: i + 2,
      language: language.trim(),
      code: `${code.join("\n")}\n`,
      marks: marksOf(lines[i - 1] ?? ""),
    });
    i = end;
  }
  return blocks;
}

function marksOf(line: string): Map<string, string> {
  const comment = /^ *<!--(.*)-->\s*$/.exec(line)?.[1] ?? "";
  const parts = comment.split(";").map((part) => part.trim());
  return new Map(
    parts
      .filter((part) => part !== "")
      .map((part) => {
        const [name = "", value = ""] = part.split(/:(.*)/s);
        return [name.trim(), value.trim()];
      }),
  );
}

const withoutBlocks = (text: string) => text.replaceAll(/^ *```[\s\S]*?^ *```/gm, "");

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

/** Commands in the running text: what stands between backticks and begins as a command does. */
export function inlineCommandsOf(text: string): string[] {
  return [...withoutBlocks(text).matchAll(/`((?:[A-Z_]+=\S+ )*(?:npm|npx|node|bun|deno) [^`]+)`/g)].map(
    ([, command = ""]) => command,
  );
}

/** Links to files of the repository, `#heading` included, as paths from its root. */
export function linksOf(page: string, text: string): { readonly target: string; readonly heading: string }[] {
  const prose = withoutBlocks(text);
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = ""]) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [path = "", heading = ""] = link.split("#");
      const target = path === "" ? page : relative(ROOT, join(ROOT, dirname(page), path));
      return { target, heading };
    });
}

/** The ids that GitHub gives a page's headings. */
export function headingsOf(text: string): Set<string> {
  const prose = withoutBlocks(text);
  return new Set(
    [...prose.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(/\s/g, "-"),
    ),
  );
}

/** What stands under a `## title`, up to the next one. Throws when there is no such title. */
export function sectionOf(text: string, title: string): string {
  const [, ...sections] = text.split(/^## /m);
  const section = sections.find((part) => part.startsWith(`${title}\n`));
  if (section === undefined) throw new Error(`there is no "## ${title}"`);
  return section;
}
