/**
 * T after JSON: dates become ISO 8601 text, everything else stays the same. The answers of the HTTP API and of
 * `rollcall/client` are `Json` of the reader's answers.
 *
 *   Json<{ readonly at: Date; readonly n?: number }>  is  { readonly at: string; readonly n?: number }
 */
export type Json<T> = T extends Date
  ? string
  : T extends string | number | boolean | null | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? readonly Json<Item>[]
      : { readonly [Key in keyof T]: Json<T[Key]> };
