/** The modules of the image, `<name>.mjs`, and what each is made from. `command:` in compose.yaml and in the manifests gives these names. */
export const ENTRIES = {
  node: "functions/node.ts",
  projector: "functions/projector.ts",
  app: "examples/in-a-container.ts",
  health: "deploy/health.ts",
  /** Also `rollcall` in PATH. */
  cli: "src/cli.ts",
} as const;
