/**
 * Lite issues bare HS256 tokens. Hosted Supabase issues ES256 tokens with complete claims that the custom access token
 * hook has seen. Whatever auth route answers with a token, in JSON or in a redirect's fragment, it is minted anew here;
 * when the hook refuses, the answer carries no token at all.
 */
import { HookFailed } from "../access-tokens.mjs";
import { authPath, fragmentOf, problem, withFragment, withJson, withLocation } from "../http.mjs";
import { logFault } from "../log.mjs";
import { currentRequest } from "../request-context.mjs";
import { TokenRejected } from "../tokens.mjs";

export const hookedTokens = (mint) =>
  async function hookedToken(request, next) {
    const path = authPath(request);
    const response = await next(request);
    if (!path || response.status >= 400) return response;
    const method = currentRequest().signInMethod ?? methodOf(path, currentRequest().query);
    const location = response.headers.get("location") ?? "";
    if (fragmentOf(location).has("access_token")) return redirect(response, location, mint, method);
    if (response.headers.get("content-type")?.includes("json")) return json(request, response, mint, method);
    return response;
  };

/** How the session came to be; null for a refresh, which keeps the method that the session remembers. */
function methodOf(path, query) {
  if (path === "/callback") return "oauth";
  if (path === "/verify") return "otp";
  if (path !== "/token") return "password";
  return { refresh_token: null, pkce: "oauth" }[query.get("grant_type")] ?? "password";
}

async function json(request, response, mint, method) {
  const session = await response.json();
  if (!session?.access_token) return withJson(response, session);
  try {
    return withJson(response, { ...session, access_token: await mint(session.access_token, method) });
  } catch (error) {
    if (!(error instanceof HookFailed)) throw error;
    return problem(request, error.status, { code: "hook_error", message: error.message });
  }
}

async function redirect(response, location, mint, method) {
  const fragment = fragmentOf(location);
  try {
    fragment.set("access_token", await mint(fragment.get("access_token"), method));
    return withLocation(response, withFragment(location, fragment));
  } catch (error) {
    // Whoever asks for a redirect can put anything into its address.
    if (error instanceof TokenRejected) return response;
    if (!(error instanceof HookFailed)) throw error;
    if (error.status >= 500) logFault(error.status);
    const description = { error_code: "hook_error", error_description: error.message };
    return withLocation(response, withFragment(location, { error: "server_error", ...description }));
  }
}
