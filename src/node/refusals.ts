/** What Node's http refuses before the app sees it, as problem documents like every other error of the API. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { Problem, PROBLEM_TYPE } from "../http/problem.ts";

/**
 * The answer to a request that @hono/node-server cannot make a Request of, for instance because of its Host. Anything else
 * that is thrown there is a bug of ours.
 */
export function requestInvalid(error: unknown): Response {
  const isRefused = error instanceof Error && error.name === "RequestError";
  const problem = isRefused
    ? new Problem(400, "REQUEST_INVALID", "the request's target and Host make no URL")
    : new Problem(500, "INTERNAL", "something went wrong in the server");
  const response = problem.toResponse();
  response.headers.set("cache-control", "no-store");
  return response;
}

/**
 * A listener for `clientError`: tells a client whose request Node's parser refuses why, and closes the connection. Nothing is
 * written when the connection is gone, or has half an answer: the bytes would become part of it.
 */
export function refusingConnections(isAnswering: (socket: Duplex) => boolean) {
  return function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (error.code === "ECONNRESET" || !socket.writable || isAnswering(socket)) {
      socket.destroy();
      return;
    }
    const problem = PROBLEMS.get(error.code) ?? new Problem(400, "REQUEST_INVALID", "this is not HTTP/1.1");
    const body = problem.toJson();
    const head = [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
      `content-type: ${PROBLEM_TYPE}`,
      "cache-control: no-store",
      "connection: close",
      `content-length: ${Buffer.byteLength(body)}`,
    ];
    // A client that goes on sending does not keep the connection.
    socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
  };
}

/** By the code of Node's error. */
const PROBLEMS: ReadonlyMap<string | undefined, Problem> = new Map([
  ["ERR_HTTP_REQUEST_TIMEOUT", new Problem(408, "REQUEST_TIMEOUT", "the request did not arrive in time")],
  ["HPE_HEADER_OVERFLOW", new Problem(431, "HEADERS_TOO_LARGE", "the header fields are too large")],
  ["HPE_CHUNK_EXTENSIONS_OVERFLOW", new Problem(413, "BODY_TOO_LARGE", "the chunk extensions are too large")],
]);

/** For `checkExpectation`: an `Expect` other than `100-continue` (RFC 9110, 10.1.1). */
export function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const problem = new Problem(417, "EXPECTATION_FAILED", "the only Expect understood is 100-continue");
  const body = problem.toJson();
  const length = Buffer.byteLength(body);
  response.writeHead(417, {
    "content-type": PROBLEM_TYPE,
    "cache-control": "no-store",
    "content-length": length,
  });
  response.end(body);
}
