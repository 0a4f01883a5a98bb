/** Lite's Auth answers preflights without naming the headers that every client library sends: browsers stop there. */
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
const EXPOSED = "Content-Range, Content-Location, Location, Preference-Applied, Retry-After, X-Request-Id";
const MAX_AGE_SECONDS = "86400";

export async function openToBrowsers(request, next) {
  const response = isPreflight(request) ? preflight(request) : await next(request);
  const headers = new Headers(response.headers);
  headers.set("access-control-allow-origin", "*");
  headers.set("access-control-expose-headers", EXPOSED);
  headers.delete("access-control-allow-credentials"); // no cookies here, and "*" excludes them
  return new Response(response.body, { status: response.status, headers });
}

const isPreflight = (request) =>
  request.method === "OPTIONS" && request.headers.has("access-control-request-method");

function preflight(request) {
  const headers = new Headers({
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "",
    "access-control-max-age": MAX_AGE_SECONDS,
  });
  return new Response(null, { status: 204, headers });
}
