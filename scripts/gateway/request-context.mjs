/** What the database layer and the mailer need to know of the HTTP request that they serve. */
import { AsyncLocalStorage } from "node:async_hooks";

const storage = new AsyncLocalStorage();

/** Runs `work` with `{ method, path, headers, query }` of the client's original request at hand. */
export const withRequest = (request, work) => storage.run(describe(request), work);

export const currentRequest = () => storage.getStore();

function describe(request) {
  const url = new URL(request.url);
  const headers = Object.fromEntries(request.headers);
  delete headers.cookie;
  return { method: request.method, path: url.pathname, query: url.searchParams, headers };
}
