/** The output of the live demo: a terminal is redrawn in place, any other output gets a line now and then. */
import { type Snapshot } from "./snapshot.ts";
import { seconds } from "../../rig/pace.ts";
import { KEYS_HELP } from "./keys.ts";
import { Screen } from "./screen.ts";
import { tableOf } from "./table.ts";
import { printable } from "./text.ts";
import { graceOf, type World } from "./world.ts";

/** How often a line is printed without news, ms. */
const LINE_EVERY_MS = 2_000;

export interface View {
  show(snapshot: Snapshot, caption: string): void;
  close(): void;
}

/** Commands to query the edge, in lines that fit a narrow window and can be pasted. */
export function trialOf({ edge }: World): string[] {
  return [
    `TOKEN=${edge.token}`,
    `curl -H "Authorization: Bearer $TOKEN" \\`,
    `  ${edge.url}/v1/users`,
    `curl -NH "Authorization: Bearer $TOKEN" \\`,
    `  -H 'Accept: text/event-stream' \\`,
    `  ${edge.url}/v1/changes`,
  ];
}

export function openView(world: World): View {
  return process.stdout.isTTY ? screenView(world) : linesView();
}

function screenView(world: World): View {
  const { engine, options } = world;
  const screen = new Screen(process.stdout);
  const began = performance.now();
  const title = `${world.edge.url} · Rollcall demo · ${printable(engine)} · lease ${seconds(options.ttl)} · grace ${seconds(graceOf(options))}`;
  const trial = trialOf(world);
  const keys = process.stdin.isTTY ? KEYS_HELP : "Ctrl-C ends the demo";
  return {
    show(snapshot, caption) {
      const heading = { title, caption, keys, trial, elapsed: performance.now() - began };
      screen.draw(tableOf(heading, snapshot, screen.columns, screen.rows));
    },
    close: () => screen.close(),
  };
}

function linesView(): View {
  let said = "";
  let saidAt = -Infinity;
  return {
    show({ clients, reader, edge, nodes }, caption) {
      // A caption that counts down is not news each time.
      const gist = caption.replace(/\d+(\.\d+)?/g, "#");
      if (gist !== said) process.stdout.write(`${printable(caption)}\n`);
      if (gist === said && performance.now() - saidAt < LINE_EVERY_MS) return;
      said = gist;
      saidAt = performance.now();
      const views = Object.entries({ clients, reader, edge }).map(([name, view]) =>
        typeof view === "string"
          ? `${name}: ${printable(view)}`
          : `${name} ${view.users}/${view.sockets}/${view.connections}`,
      );
      const states = nodes.map(({ name, state, counted }) => `${name} ${state} ${counted ?? "-"}`);
      process.stdout.write(`  ${[...views, ...states].join("  ")}\n`);
    },
    close() {},
  };
}
