/**
 * AWS Lambda: `handler` serves the API behind a function URL or an API Gateway; `sweep` projects on an EventBridge schedule.
 * Answers are buffered, so there are no event streams: ROLLCALL_STREAMS is 0 here.
 */
import { Hono } from "hono";
import { handle } from "hono/aws-lambda";
import { createFetch } from "../src/edge/api.ts";
import { createScheduled } from "../src/edge/projection.ts";
import { nodeSend } from "../src/webhooks/node-send.ts";

const environment = { ...process.env, ROLLCALL_STREAMS: "0" };
const serve = createFetch();
const project = createScheduled({ send: nodeSend });

export const handler = handle(new Hono().all("*", (c) => serve(c.req.raw, environment)));

export const sweep = (): Promise<void> => project(undefined, environment);
