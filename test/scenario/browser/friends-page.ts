/** A page that shows three friends: a line each, and whether they are online. It remembers every byte that the API sent. */
import { createClient, live } from "../../../src/client.ts";

declare global {
  interface Window {
    /** Of the application's own server: a token for who is signed in. */
    signIn(): Promise<string>;
    friends: typeof friends;
    bytes: string;
    /** The status and text of any other question with the same token. */
    ask(path: string, body?: unknown): Promise<{ status: number; text: string }>;
  }
}

window.bytes = "";

async function remembering(...args: Parameters<typeof fetch>): Promise<Response> {
  const response = await fetch(...args);
  if (response.body === null) return response;
  const [theirs, ours] = response.body.tee();
  void ours
    .pipeThrough(new TextDecoderStream())
    .pipeTo(
      new WritableStream({
        write(text) {
          window.bytes += text;
        },
      }),
      // The stream ends when the token does, in whatever way.
    )
    .catch(() => {});
  return new Response(theirs, response);
}

function friends(api: string, ids: readonly string[]): void {
  const client = createClient(api, { token: () => window.signIn(), fetch: remembering });
  const list = document.body.appendChild(document.createElement("ul"));
  const state = live(client, { users: ids });
  const render = () => {
    const { users, status } = state.getState();
    document.title = status;
    list.replaceChildren(
      ...ids.map((id) => {
        const line = document.createElement("li");
        line.textContent = `${id} ${users.has(id) ? "online" : "offline"}`;
        return line;
      }),
    );
  };
  state.subscribe(render);
  render();
  window.ask = async (path, body) => {
    const headers = { authorization: `Bearer ${await window.signIn()}`, "content-type": "application/json" };
    const init = body === undefined ? { headers } : { headers, method: "POST", body: JSON.stringify(body) };
    const response = await fetch(api + path, init);
    return { status: response.status, text: await response.text() };
  };
}

window.friends = friends;
