/** HEALTHCHECK of the image: exit code 0 when /health on ROLLCALL_HEALTH_PORT answers 200 within 4 s. */
const { ROLLCALL_HEALTH_PORT: port = "9090" } = process.env;
const ok = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(4_000) }).then(
  (response) => response.ok,
  () => false,
);
process.exit(ok ? 0 : 1);
