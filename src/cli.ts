#!/usr/bin/env node
/** `npx rollcall`: the commands are in src/cli. */
import { main } from "./cli/main.ts";

process.exitCode = await main(process.argv.slice(2));
