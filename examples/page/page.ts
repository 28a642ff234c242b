/** The page: it is online itself, over Socket.IO, and follows its friends over the HTTP API. */
import { io } from "socket.io-client";
import { createClient, live } from "../../src/client.ts";

const user = new URLSearchParams(location.search).get("user") ?? "alice";
// WebSocket from the start: the end of a page that is still polling is noticed after 45 s only, by Socket.IO's ping.
io({ auth: { user }, transports: ["websocket"] });

// Asked for each request, so a stream that ends with its token goes on with the next one.
const token = async () => (await fetch(`/token?user=${encodeURIComponent(user)}`)).text();
const presence = createClient(`${location.origin}/presence`, { token });
const friends = ["alice", "bob", "carol"].filter((id) => id !== user && (user === "alice" || id === "alice"));

const state = live(presence, { users: friends });
const list = document.body.appendChild(document.createElement("ul"));

function render(): void {
  const { status, users } = state.getState();
  document.title = status === "live" ? user : `${user} (${status})`;
  list.replaceChildren(
    ...friends.map((id) => {
      const line = document.createElement("li");
      line.textContent = `${users.has(id) ? "●" : "○"} ${id}`; // never innerHTML: ids come from others
      return line;
    }),
  );
}
state.subscribe(render);
render();
