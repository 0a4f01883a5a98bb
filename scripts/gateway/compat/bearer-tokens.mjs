/**
 * Lite verifies one HS256 secret and trusts whatever role such a token names. Here tokens are verified as hosted
 * Supabase does (ES256 by published key, legacy keys by secret, audience, issuer, role) and only then re-signed for it.
 */
import { authPath, part, problem, remade } from "../http.mjs";
import { currentRequest } from "../request-context.mjs";
import { TokenRejected } from "../tokens.mjs";

// The other auth routes are public: an expired token must not keep anyone from refreshing or signing in.
const NEEDS_USER = /^\/(user|logout|reauthenticate)$/;

export const verifiedBearers = (tokens) =>
  async function verifiedBearer(request, next) {
    const token = bearerOf(request);
    if (!token) return next(request);
    if (part(request) === "auth" && !NEEDS_USER.test(authPath(request))) return next(withBearer(request, null));
    let claims;
    try {
      claims = await tokens.verify(token);
    } catch (error) {
      if (error instanceof TokenRejected) return refuse(request, next, error);
      throw error;
    }
    currentRequest().claims = claims;
    return next(withBearer(request, await tokens.signForLite(claims)));
  };

const bearerOf = (request) => /^Bearer\s+(\S.*)$/i.exec(request.headers.get("authorization") ?? "")?.[1];

function withBearer(request, token) {
  const headers = new Headers(request.headers);
  if (token) headers.set("authorization", `Bearer ${token}`);
  else headers.delete("authorization");
  return remade(request, { headers });
}

/** Auth and Storage refuse in their own words: Lite cannot verify the token either. */
function refuse(request, next, { message, expired }) {
  if (part(request) !== "rest") return next(request);
  const response = problem(request, 401, {
    code: expired ? "PGRST303" : "PGRST301",
    message: expired ? "JWT expired" : "No suitable key or wrong key type",
    details: expired ? null : message,
  });
  const description = message.replace(/[^\x20-\x7e]|"/g, "'");
  response.headers.set("www-authenticate", `Bearer error="invalid_token", error_description="${description}"`);
  return response;
}
