/**
 * Express and Socket.IO with one session: the cookie of the login says whose sockets these are, and logging out ends them.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/express-session/server.ts
 */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import express, { type NextFunction, type Request, type Response } from "express";
import session, { type Session, type SessionData } from "express-session";
import { Server } from "socket.io";
import { createPresence, PresenceError } from "../../src/index.ts";
import { provideRedis } from "../../packages/local-redis/src/index.ts";

declare module "express-session" {
  interface SessionData {
    user: string;
  }
}

const ACCOUNTS = new Set(["alice", "bob"]); // a real application compares a password with its hash

const redis = await provideRedis();
const app = express();
const server = createServer(app);
const io = new Server(server);

// Sessions are in the memory of this process. With several servers give them a store that all share.
const sessions = session({
  secret: process.env["SESSION_SECRET"] ?? randomBytes(32).toString("hex"),
  resave: false,
  saveUninitialized: false,
  cookie: { httpOnly: true, sameSite: "lax", secure: "auto" },
});
app.use(sessions, express.json());
io.engine.use(sessions);

/** The session that the middleware has found for a request, or for the handshake of a socket. */
function sessionOf(request: IncomingMessage): Session & Partial<SessionData> {
  return (request as Request).session;
}

const presence = createPresence(io, {
  redis: redis.url,
  user: (socket) => sessionOf(socket.request).user ?? null,
  userRooms: true, // for socketsOf
});
io.use((socket, next) =>
  next(sessionOf(socket.request).user === undefined ? new Error("log in first") : undefined),
);

app.post("/login", (request: Request<object, unknown, { user?: unknown } | undefined>, response, next) => {
  const user = request.body?.user;
  if (typeof user !== "string" || !ACCOUNTS.has(user)) {
    response.sendStatus(401);
    return;
  }
  // A new id, so that a cookie somebody planted before the login is worth nothing.
  request.session.regenerate((error: unknown) => {
    if (error) return next(error);
    request.session.user = user;
    response.sendStatus(204);
  });
});

app.post("/logout", (request, response, next) => {
  const { user } = request.session;
  request.session.destroy((error: unknown) => {
    if (error) return next(error);
    if (user !== undefined) presence.socketsOf(user).disconnectSockets(true); // in all tabs, on all devices
    response.clearCookie("connect.sid").sendStatus(204);
  });
});

app.get("/online", async (request, response) => {
  if (request.session.user === undefined) {
    response.sendStatus(401); // who is online is personal data
    return;
  }
  const { users } = await presence.usersList({ max: 1_000 });
  response.json({ online: users.map(({ id }) => id).sort() });
});

app.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
  if (response.headersSent || !(error instanceof PresenceError)) return next(error);
  response.status(503).json({ error: error.code }); // Redis is away; the sockets are still open
});

await presence.ready;
server.listen(Number(process.env["PORT"] ?? 3000), () => console.log("listening on", server.address()));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
async function stop(): Promise<void> {
  await presence.close();
  await io.close();
  await redis.stop();
}
