/** What the page of react.test.ts runs: an application that shows who is online, how many, and who of some friends. */
import { createElement, StrictMode, useRef } from "react";
import { createRoot, type Root } from "react-dom/client";
import { createClient } from "../../../src/client.ts";
import { RollcallProvider, useCounts, useOnline, useUsers } from "../../../src/react.ts";

/** What is on the page. */
export interface Shown {
  readonly users?: boolean;
  readonly counts?: boolean;
  /** One component each. */
  readonly friends?: readonly (readonly string[])[];
}

export interface ReactPage {
  readonly show: (api: string, token: string, shown: Shown) => void;
  readonly unmount: () => void;
  /** The lines on the page. */
  readonly lines: () => string[];
  /** How often each friend's component has rendered. */
  readonly renders: Record<string, number>;
}

declare global {
  interface Window {
    readonly react: ReactPage;
  }
}

const renders: Record<string, number> = {};

function Users() {
  const { status, users, count, error } = useUsers();
  return createElement(
    "p",
    null,
    `users ${status} ${count} ${[...users].sort().join()}${error?.message ?? ""}`,
  );
}

function Counts() {
  const { status, counts } = useCounts();
  return createElement("p", null, `counts ${status} ${counts?.users ?? "?"} ${counts?.connections ?? "?"}`);
}

function Friends({ ids }: { readonly ids: readonly string[] }) {
  const { status, online } = useOnline(ids);
  const renderings = useRef(0);
  renders[ids.join()] = ++renderings.current;
  return createElement(
    "p",
    null,
    `friends ${status} ${ids.map((id) => `${id}:${online.get(id) ?? "?"}`).join()}`,
  );
}

let root: Root | undefined;
let client: ReturnType<typeof createClient> | undefined;

function show(api: string, token: string, { users = false, counts = false, friends = [] }: Shown): void {
  client ??= createClient(api, { token });
  root ??= createRoot(document.body.appendChild(document.createElement("div")));
  root.render(
    createElement(
      StrictMode,
      null,
      createElement(
        RollcallProvider,
        { client },
        users && createElement(Users),
        counts && createElement(Counts),
        ...friends.map((ids) => createElement(Friends, { key: ids.join(), ids })),
      ),
    ),
  );
}

Object.assign(window, {
  react: {
    show,
    unmount() {
      root?.unmount();
      root = undefined;
    },
    lines: () => [...document.querySelectorAll("p")].map(({ textContent }) => textContent ?? ""),
    renders,
  } satisfies ReactPage,
});
