/**
 * The two kinds of token and the border between them.
 *
 * Outside: user tokens are ES256 under a published key; the legacy API keys are HS256 under the project's secret.
 * Inside: Lite knows one HS256 secret only. It gets its own, so that a token which Lite issues is worthless outside
 * until the custom access token hook has seen it, and a token from outside is worthless to Lite until verified here.
 */
import { createHmac } from "node:crypto";

import { SignJWT, createLocalJWKSet, errors, importJWK, jwtVerify } from "jose";

const API_ROLES = ["anon", "authenticated", "service_role"];
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const CLOCK_SKEW_SECONDS = 30;

export class TokenRejected extends Error {
  constructor(message, { expired = false } = {}) {
    super(message);
    this.expired = expired;
  }
}

export async function createTokens({ signingJwk, jwtSecret, url }) {
  const { kty, crv, x, y, kid } = signingJwk;
  const publicJwk = { kty, crv, x, y, kid, alg: "ES256", use: "sig", key_ops: ["verify"] };
  const privateKey = await importJWK(signingJwk, "ES256");
  const jwks = { keys: [publicJwk] };
  const publishedKey = createLocalJWKSet(jwks);
  const legacySecret = new TextEncoder().encode(jwtSecret);
  const liteSecret = createHmac("sha256", jwtSecret).update("supabase lite").digest("hex");
  const liteKey = new TextEncoder().encode(liteSecret);
  const issuer = `${url}/auth/v1`;

  /** The claims of a token from outside, or TokenRejected. */
  async function verify(token) {
    const claims = isSymmetric(token) ? await verifyLegacy(token) : await verifyUser(token);
    if (!API_ROLES.includes(claims.role)) throw new TokenRejected("role claim is not an API role");
    if (typeof claims.iat === "number" && claims.iat > Date.now() / 1000 + CLOCK_SKEW_SECONDS) {
      throw new TokenRejected("JWT issued at future");
    }
    return claims;
  }

  async function verifyUser(token) {
    const claims = await check(token, publishedKey, {
      algorithms: ["ES256"],
      issuer,
      audience: "authenticated",
      requiredClaims: ["exp", "sub"],
    });
    if (!UUID.test(claims.sub)) throw new TokenRejected("sub claim must be a UUID");
    return claims;
  }

  /** Legacy tokens need not name an audience or issuer, but must not name a foreign one. */
  async function verifyLegacy(token) {
    const claims = await check(token, legacySecret, { algorithms: ["HS256"] });
    if (![undefined, "authenticated"].includes(claims.aud)) throw new TokenRejected("JWT not in audience");
    if (![undefined, "supabase", issuer].includes(claims.iss)) throw new TokenRejected("JWT of another issuer");
    if (claims.sub !== undefined && !UUID.test(claims.sub)) throw new TokenRejected("sub claim must be a UUID");
    return claims;
  }

  /** Lite signs sessions and storage URLs with the same secret; what tells them apart is a claim. */
  const verifyFromLite = (token, ownClaim) =>
    check(token, liteKey, { algorithms: ["HS256"], requiredClaims: [ownClaim], clockTolerance: 0 });

  return {
    issuer,
    liteSecret,
    jwks,
    verify,
    signForLite: (claims) => new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(liteKey),
    readFromLite: (token) => verifyFromLite(token, "session_id"),
    readSignedUrl: (token) => verifyFromLite(token, "bucket"),
    sign: (claims) => new SignJWT(claims).setProtectedHeader({ alg: "ES256", typ: "JWT", kid }).sign(privateKey),
  };
}

async function check(token, key, options) {
  try {
    return (await jwtVerify(token, key, { clockTolerance: CLOCK_SKEW_SECONDS, ...options })).payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw new TokenRejected("JWT expired", { expired: true });
    if (error instanceof errors.JOSEError || error instanceof TypeError) throw new TokenRejected(error.message);
    throw error;
  }
}

/** Which key to try; the algorithm that the header names is never trusted beyond that. */
function isSymmetric(token) {
  try {
    return JSON.parse(Buffer.from(token.split(".")[0], "base64url")).alg === "HS256";
  } catch {
    throw new TokenRejected("JWT cannot be decoded");
  }
}
