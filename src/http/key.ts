/**
 * The keys under which answers are shared. A question is a list, and its key is that list as JSON: `["page",null,100]` and
 * `["page","null",100]` are different questions, and no text that a caller sends can imitate another list. A long key is
 * replaced by its SHA-256, so what is kept of a question has a bounded size.
 */

/** The parts of a question: its name, then its arguments. */
export type Question = readonly [name: string, ...parts: readonly unknown[]];

/** A longer key is hashed, characters. */
const KEY_LENGTH_MAX = 256;

/** The key of a question, of at most 256 characters. A hashed key begins with `#`, JSON does not. */
export async function keyOf(question: Question): Promise<string> {
  const text = JSON.stringify(question.map((part) => part ?? null));
  if (text.length <= KEY_LENGTH_MAX) return text;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `#${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
}
