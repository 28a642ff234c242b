/** The version of this package, which the first record of a process carries. A test holds it to package.json. */
export const VERSION = "0.2.0";
