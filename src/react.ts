"use client";
/** The entry point `rollcall/react`. */
export * from "./react/hooks.ts";
export { RollcallProvider, type RollcallProviderProps } from "./react/provider.ts";
