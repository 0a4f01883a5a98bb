/** Hears `notify pgrst`, with which migrations say that the schema has changed. */
import postgres from "postgres";

const RETRY_MS = 1000;

/** Calls `reload` at once, at each notice, and whenever Postgres is back, for notices are not kept. */
export async function onSchemaNotice(databaseUrl, reload) {
  let retry;
  let closed = false;
  const listener = postgres(databaseUrl, {
    max: 1,
    idle_timeout: null,
    max_lifetime: null,
    fetch_types: false,
    onnotify: () => reload().catch(tryLater),
    onclose: tryLater,
  });

  async function listen() {
    await listener`listen pgrst`;
    await reload();
  }

  function tryLater() {
    clearTimeout(retry);
    if (!closed) retry = setTimeout(() => listen().catch(tryLater), RETRY_MS);
  }

  await listen();
  return async function close() {
    closed = true;
    clearTimeout(retry);
    await listener.end();
  };
}
