/** The development gateway: Data API, Auth and Storage on one port, configured by the environment. */
import { serve } from "@hono/node-server";

import { connect } from "./connection.mjs";
import { createGateway } from "./gateway.mjs";
import { redirectGoogle } from "./google.mjs";
import { rememberFaults } from "./log.mjs";
import { SettingsError, readSettings } from "./settings.mjs";
import { createTokens } from "./tokens.mjs";

const SHUTDOWN_GRACE_MS = 10_000;
const MAX_HEADER_BYTES = 128 * 1024; // a token carries up to 64 kB of user metadata

process.env.TZ = "UTC"; // Lite takes auth.sessions.refreshed_at, which has no time zone, for local time
process.env.DO_NOT_TRACK = "1";

async function main() {
  const settings = readSettings(process.env);
  const tokens = await createTokens(settings);
  const connection = await connect(settings.databaseUrl);
  redirectGoogle(settings.googleUrl);
  rememberFaults();
  const handle = await createGateway({ settings, connection, tokens });
  const server = serve({
    port: settings.port,
    hostname: "127.0.0.1",
    serverOptions: { maxHeaderSize: MAX_HEADER_BYTES },
    fetch: (request, { incoming }) => handle(request, { peerAddress: incoming.socket.remoteAddress ?? null }),
  });
  server.on("error", fail);
  server.on("listening", () => console.log(`gateway: serving ${settings.url}`));
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => shutDown(server, connection));
}

/** Takes no new requests, finishes those under way, then leaves. */
function shutDown(server, connection) {
  server.close(async () => {
    await connection.close();
    process.exit(0);
  });
  setTimeout(() => process.exit(0), SHUTDOWN_GRACE_MS).unref();
}

function fail(error) {
  if (error instanceof SettingsError) console.error(`gateway: the environment is not complete:\n${error.message}`);
  else if (error.code === "EADDRINUSE") console.error(`gateway: port ${error.port} is in use`);
  else console.error(`gateway: cannot start: ${error.message || error.code || error}`);
  process.exit(1);
}

main().catch(fail);
