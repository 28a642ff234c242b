/**
 * Goal: components render on a server without asking anything, and say what is wrong with them where an error boundary finds it.
 * Method: renderToString, with a client that counts its requests.
 */
import { createElement, type FunctionComponent } from "react";
import { renderToString } from "react-dom/server";
import { expect, it } from "vitest";
import { createClient } from "../../../src/client.ts";
import { RollcallProvider, useCounts, useOnline, useUsers } from "../../../src/react.ts";

let requests = 0;
const client = createClient("http://api.example", {
  fetch: () => {
    requests++;
    return new Promise(() => {});
  },
});
const rendered = (component: FunctionComponent) =>
  renderToString(createElement(RollcallProvider, { client }, createElement(component)));

it("on a server the status is connecting, and nothing is asked", () => {
  const html = rendered(() => {
    const { status, online } = useOnline(["alice", "bob"]);
    const users = useUsers({ namespace: "/chat", room: "news" });
    const counts = useCounts({ room: "news" });
    return [status, online.size, users.status, users.count, counts.status, counts.counts?.users ?? null]
      .map(String)
      .join(" ");
  });
  expect(html).toBe("connecting 0 connecting 0 connecting null");
  expect(requests).toBe(0);
});

it("what is wrong is thrown while rendering", () => {
  const Lost: FunctionComponent = () => useCounts().status;
  expect(() => renderToString(createElement(Lost))).toThrow(
    "useCounts() needs a <RollcallProvider client={…}> around its component",
  );
  const many = Array.from({ length: 1_001 }, (_, i) => `u${i}`);
  expect(() => rendered(() => useOnline(many).status)).toThrow(
    "useOnline() takes at most 1000 ids, got 1001",
  );
  expect(() => rendered(() => useUsers({ namespace: "chat" }).status)).toThrow(
    "a namespace must start with /",
  );
});
