/** What the gateway answers itself, before anything reaches Lite. */
import { part, problem } from "./http.mjs";
import { logFault } from "./log.mjs";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const path = (request) => new URL(request.url).pathname;

export const health = (connection) =>
  async function health(request, next) {
    if (path(request) !== "/health") return next(request);
    try {
      await connection.driver`select 1`;
      return Response.json({ status: "ok" });
    } catch {
      return Response.json({ status: "database unreachable" }, { status: 503 });
    }
  };

export const keySet = (jwks) =>
  async function keySet(request, next) {
    if (path(request) !== "/auth/v1/.well-known/jwks.json") return next(request);
    return Response.json(jwks, { headers: { "cache-control": "public, max-age=600" } });
  };

/** Lite also serves its own administration; only the three parts of Supabase are open. */
export async function openDoorsOnly(request, next) {
  if (!part(request)) return problem(request, 404, { code: "not_found", message: "No such path" });
  if (!METHODS.includes(request.method)) {
    return problem(request, 405, { code: "PGRST117", message: `Unsupported HTTP method: ${request.method}` });
  }
  if (!isDecodable(path(request))) return problem(request, 400, { code: "PGRST125", message: "Invalid path" });
  return next(request);
}

function isDecodable(text) {
  try {
    return !decodeURIComponent(text).includes("\0");
  } catch {
    return false;
  }
}

/** Nothing internal leaves: whatever fails unexpectedly is told to the log, and to the client only that it did. */
export async function safely(request, next) {
  const response = await answered(request, next);
  if (response.status >= 500) logFault(response.status);
  return response;
}

async function answered(request, next) {
  try {
    const response = await next(request);
    if (response.status !== 500 || response.headers.get("content-type")?.includes("json")) return response;
  } catch (error) {
    console.error(error);
  }
  return problem(request, 500, { code: "unexpected_failure", message: "Unexpected failure, please check the log" });
}
