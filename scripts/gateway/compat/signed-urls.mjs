/** Hosted Storage answers `signedURL`, relative to /storage/v1; Lite answers `signedUrl` with that prefix. */
import { withJson } from "../http.mjs";

export async function relativeSignedUrls(request, next) {
  const response = await next(request);
  const { pathname } = new URL(request.url);
  if (request.method !== "POST" || !pathname.startsWith("/storage/v1/object/sign/") || !response.ok) return response;
  const answer = await response.json();
  return withJson(response, Array.isArray(answer) ? answer.map(relative) : relative(answer));
}

const relative = ({ signedUrl, ...rest }) => ({
  ...rest,
  signedURL: signedUrl?.replace(/^\/storage\/v1/, "") ?? null,
});
