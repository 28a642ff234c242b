/** The page. It is served by GET / of the API, so the API is where the page is. */
import { options, render } from "preact";
import { App } from "./app.tsx";
import { Session } from "./session.ts";
import { State } from "./state.ts";

// All that changes within a frame is rendered once.
options.debounceRendering = (renderAll) => void requestAnimationFrame(renderAll);

const meta = document.querySelector<HTMLMetaElement>('meta[name="rollcall-token"]');
const token = meta?.content ?? "";
meta?.remove();

const state = new State();
const session = new Session(state, location.origin + location.pathname);
render(<App session={session} />, document.getElementById("app")!);
void session.begin(token === "" ? undefined : token);
