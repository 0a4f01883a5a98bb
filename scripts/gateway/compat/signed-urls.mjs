/**
 * Hosted Storage answers `signedURL`, relative to /storage/v1; Lite answers `signedUrl` with that prefix. To a
 * token that does not verify, Lite answers 500.
 */
import { problem, withJson } from "../http.mjs";
import { TokenRejected } from "../tokens.mjs";

const SIGNED = /^\/storage\/v1\/object\/(upload\/)?sign\//;

export const signedUrls = (tokens) =>
  async function signedUrls(request, next) {
    const { pathname, searchParams } = new URL(request.url);
    if (!SIGNED.test(pathname)) return next(request);
    if (request.method === "POST") return relativeAnswer(pathname, await next(request));
    try {
      if (searchParams.get("token")) await tokens.readSignedUrl(searchParams.get("token"));
    } catch (error) {
      if (error instanceof TokenRejected) return problem(request, 400, { code: "InvalidJWT", message: error.message });
      throw error;
    }
    return next(request);
  };

async function relativeAnswer(pathname, response) {
  if (!response.ok || !pathname.startsWith("/storage/v1/object/sign/")) return response;
  const answer = await response.json();
  return withJson(response, Array.isArray(answer) ? answer.map(relative) : relative(answer));
}

const relative = ({ signedUrl, ...rest }) => ({
  ...rest,
  signedURL: signedUrl?.replace(/^\/storage\/v1/, "") ?? null,
});
