/** The version of this package, sent in the first record of a process. A test compares it with package.json. */
export const VERSION = "0.2.0";
