/**
 * The server around each migration. MODE says who counts and who answers:
 *
 *   before   as it was
 *   shadow   both count; the old way answers, and where the new one differs a line says so
 *   after    Rollcall alone
 *
 * GET /usersCount, /isUserConnected?of=alice and so on: what there is to ask is up to the migration.
 */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { provideRedis } from "../../packages/local-redis/src/index.ts";
import { shadow, type Questions, type Way } from "./shadow.ts";

/** Starts to count the sockets of `io`. */
export type Start = (io: Server, redis: string) => Promise<Way>;

export async function run(before: Start, after: Start): Promise<void> {
  const mode = process.env["MODE"] ?? "shadow";
  if (!["before", "shadow", "after"].includes(mode)) throw new Error("MODE is before, shadow or after");
  const redis = await provideRedis();
  let ask: Questions = {};
  const server = createServer(({ url = "/" }, response) => {
    const { pathname, searchParams } = new URL(url, "http://localhost");
    const question = Object.hasOwn(ask, pathname.slice(1)) ? ask[pathname.slice(1)] : undefined;
    if (question === undefined) {
      response.writeHead(404).end();
      return;
    }
    question(searchParams.get("of") ?? "").then(
      (answer) => response.end(JSON.stringify(answer)),
      (error: unknown) => {
        console.error(String(error));
        response.writeHead(503).end();
      },
    );
  });
  const io = new Server(server);
  io.on("connection", (socket) => {
    socket.on("join", (room: unknown) => typeof room === "string" && void socket.join(room));
  });
  const ways: Way[] = [];
  if (mode !== "after") ways.push(await before(io, redis.url));
  if (mode !== "before") ways.push(await after(io, redis.url));
  ask =
    ways.length === 1
      ? ways[0]!.ask
      : shadow(ways[0]!.ask, ways[1]!.ask, ({ question, about, before, after }) =>
          console.log(
            `differs: ${question}(${about}): before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`,
          ),
        );
  server.listen(Number(process.env["PORT"] ?? 3000), () => console.log("listening on", server.address()));

  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
  async function stop(): Promise<void> {
    for (const way of ways) await way.close?.();
    await io.close();
    for (const way of ways) await way.release?.();
    await redis.stop();
  }
}
