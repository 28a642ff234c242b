/** `npx pm2 start examples/pm2/ecosystem.config.cjs`, then `npx pm2 reload rollcall-example` as often as you like. */
module.exports = {
  apps: [
    {
      name: "rollcall-example",
      script: `${__dirname}/server.ts`,
      interpreter: "node", // PM2 would take another for .ts; leave it out with compiled code
      exec_mode: "cluster",
      instances: Number(process.env.INSTANCES ?? 2),
      // An instance gets traffic once it has called process.send("ready"), when presence has registered it.
      wait_ready: true,
      listen_timeout: 15_000,
      // SIGKILL so long after the SIGINT: presence.close() takes 5 s at most, and sockets end after it. PM2's own default is 1,600 ms.
      kill_timeout: 8_000,
    },
  ],
};
