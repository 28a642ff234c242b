/**
 * From where the suite counts its histories. It comes from the scripts: each change of one draws others, and a commit runs the same ones
 * wherever it is tested. `npm run simulate` draws at random.
 */
import { project, subscriber } from "../../src/lua/generated.ts";

const DIGITS = 7;

export const SEED = Number(
  process.env["SIMULATION_SEED"] ??
    Number.parseInt(project.sha1.slice(0, DIGITS), 16) ^
      Number.parseInt(subscriber.sha1.slice(0, DIGITS), 16),
);
