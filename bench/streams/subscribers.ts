/** The subscribers of bench/streams.ts, as plain as possible. Says when all are open, then answers with what they received. */
import { get } from "node:http";

const { URL: url = "", TOKEN = "", COUNT = "0", FOLLOWED = "0", USERS = "1" } = process.env;
const [count, followed, users] = [COUNT, FOLLOWED, USERS].map(Number) as [number, number, number];
let bytes = 0;
let changes = 0;
let open = 0;
let ended = 0;
const CHANGE = Buffer.from('"cause"');

function occurrences(chunk: Buffer): number {
  let found = 0;
  for (let at = chunk.indexOf(CHANGE); at !== -1; at = chunk.indexOf(CHANGE, at + CHANGE.length)) found++;
  return found;
}

for (let i = 0; i < count; i++) {
  const query = new URLSearchParams();
  for (let k = 0; k < followed; k++) query.append("user", `user-${(i * followed + k) % users}`);
  const headers = { accept: "text/event-stream", authorization: `Bearer ${TOKEN}` };
  const request = get(`${url}/v1/changes?${query}`, { headers, agent: false }, (response) => {
    if (response.statusCode !== 200) throw new Error(`no stream: ${response.statusCode}`);
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      changes += occurrences(chunk);
    });
    response.on("error", () => ended++);
    response.on("end", () => ended++);
    if (++open === count) process.send!("open");
  });
  request.on("error", () => ended++);
}
process.on("message", () => process.send!({ bytes, changes, ended }));
process.on("disconnect", () => process.exit());
