/** Seeds and sizes of the hostile tests: fresh each run and printed, or those of the environment. */
export const SEED = Number(process.env["HOSTILE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** How many times the quick number of cases. */
export const TIMES = Number(process.env["HOSTILE_TIMES"] ?? 1);

/** For the name of a random test: how to repeat it. */
export const REPEAT = `HOSTILE_SEED=${SEED} HOSTILE_TIMES=${TIMES} npx vitest run test/hostile`;

/** Time enough for a random test of this many times the quick number. */
export const TIMEOUT_MS = 20_000 * TIMES;
