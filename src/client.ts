/** The door `rollcall/client`. */
export * from "./client/client.ts";
