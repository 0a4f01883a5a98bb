/** Small helpers for requests and responses; the errors have the shape that each part of Supabase gives its own. */

const STORED_FILE = /^\/storage\/v1\/object\/(?!(list|sign)\/|copy$|move$)/;

export const part = (request) => /^\/(rest|auth|storage)\/v1(\/|$)/.exec(new URL(request.url).pathname)?.[1];

export const authPath = (request) => /^\/auth\/v1(\/.*)$/.exec(new URL(request.url).pathname)?.[1];

/** Auth reads JSON whatever the content type says; the Data API takes it for the default; files stay unread. */
export function carriesJson(request) {
  const type = request.headers.get("content-type") ?? "application/json";
  const { pathname } = new URL(request.url);
  switch (part(request)) {
    case "auth":
      return pathname !== "/auth/v1/callback";
    case "storage":
      return type.includes("json") && !(STORED_FILE.test(pathname) && request.method !== "DELETE");
    default:
      return type.includes("json");
  }
}

/** The JSON object that a request carries, `{}` if none; the request can still be read. */
export async function bodyOf(request) {
  if (!request.body || !carriesJson(request)) return {};
  return JSON.parse(await request.clone().text());
}

/** The same request with another body and/or other headers. */
export function remade(request, { body = request.body, headers = new Headers(request.headers) }) {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  if (bytes !== request.body) headers.delete("content-length");
  if (bytes instanceof Uint8Array) headers.set("content-length", String(bytes.length));
  return new Request(request.url, { method: request.method, headers, body: bytes, duplex: "half" });
}

/** Lite appends its fragment also to an address that has one: what follows the last "#" is Lite's. */
export const fragmentOf = (location) => new URLSearchParams(location.split("#").slice(1).at(-1));

export const withFragment = (location, fragment) => `${location.split("#")[0]}#${new URLSearchParams(fragment)}`;

export function withLocation(response, location) {
  const headers = new Headers(response.headers);
  headers.set("location", location);
  headers.delete("content-length");
  return new Response(null, { status: response.status, headers });
}

export function withJson(response, value, status = response.status) {
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  return Response.json(value, { status, headers });
}

export function problem(request, status, { code, message, details = null, hint = null }) {
  switch (part(request)) {
    case "auth":
      return Response.json({ code: status, error_code: code, msg: message }, { status });
    case "storage":
      return Response.json({ statusCode: String(status), error: code, message }, { status });
    default:
      return Response.json({ code, message, details, hint }, { status });
  }
}
