/** The entry point `rollcall/client`. */
export * from "./client/client.ts";
