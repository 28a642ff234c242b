/**
 * A small change that breaks the code, with the invariant it breaks and the tests that must fail. `find` is exact and occurs exactly
 * once in its file, so that a mutant whose code has changed is detected too.
 */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  readonly breaks: `INV-${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 20}`;
  readonly edits: readonly Edit[];
  readonly tests: readonly string[];
}

export function mutant(
  name: string,
  breaks: Mutant["breaks"],
  tests: readonly string[],
  ...edits: readonly (readonly [file: string, find: string, replace: string])[]
): Mutant {
  return { name, breaks, tests, edits: edits.map(([file, find, replace]) => ({ file, find, replace })) };
}

/** One test and one edit, in a file of this folder of src. */
export function mutantsOf(folder: string) {
  return (
    name: string,
    breaks: Mutant["breaks"],
    test: string,
    file: string,
    find: string,
    replace: string,
  ): Mutant => mutant(name, breaks, [test], [`src/${folder}/${file}`, find, replace]);
}
