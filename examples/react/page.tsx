/** Friends, and how many are online at all, as React components. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { io } from "socket.io-client";
import { createClient } from "../../src/client.ts";
import { RollcallProvider, useCounts, useOnline } from "../../src/react.ts";

const user = new URLSearchParams(location.search).get("user") ?? "alice";
// WebSocket from the start: the end of a page that is still polling is noticed after 45 s only, by Socket.IO's ping.
io({ auth: { user }, transports: ["websocket"] });

const token = async () => (await fetch(`/token?user=${encodeURIComponent(user)}`)).text();
const client = createClient(`${location.origin}/presence`, { token });
const FRIENDS = ["alice", "bob", "carol"].filter((id) => id !== user && (user === "alice" || id === "alice"));

// Each asks for its own friend; all of them share one request and one stream.
function Friend({ id }: { readonly id: string }) {
  const { status, online } = useOnline([id]);
  return <li>{status === "connecting" ? `… ${id}` : `${online.get(id) === true ? "●" : "○"} ${id}`}</li>;
}

function Total() {
  const { counts, status } = useCounts();
  return (
    <p>{counts === null ? "…" : `${counts.users} online${status === "stale" ? " (may be old)" : ""}`}</p>
  );
}

function App() {
  return (
    <RollcallProvider client={client}>
      <Total />
      <ul>
        {FRIENDS.map((id) => (
          <Friend key={id} id={id} />
        ))}
      </ul>
    </RollcallProvider>
  );
}

const root = document.body.appendChild(document.createElement("div"));
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
