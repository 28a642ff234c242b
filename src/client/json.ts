/** What of a value is left once it went over the wire as JSON: a Date is a string in ISO 8601. */
export type Json<T> = T extends Date
  ? string
  : T extends object
    ? { readonly [K in keyof T]: Json<T[K]> }
    : T;
