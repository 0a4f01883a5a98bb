/**
 * supabase-py asks for PKCE by default: the link in an e-mail then leads back to the app with a code that only the
 * client which asked can exchange. Lite has PKCE for OAuth only. Here the mailed token names a flow of Lite's own
 * kind, the visited link completes it instead of opening a session, and Lite exchanges the code.
 */
import { randomUUID } from "node:crypto";

import { authPath, bodyOf, fragmentOf, problem, withLocation } from "../http.mjs";
import { currentRequest } from "../request-context.mjs";
import { UUID } from "../tokens.mjs";

const SENDS_MAIL = ["/otp", "/signup", "/recover", "/magiclink"];
const METHODS = ["s256", "plain"];
const MAILED_TOKEN = /^pkce_(.*)$/;

/** Remembers the challenge for the mailer, which runs inside Lite. */
export async function rememberedChallenge(request, next) {
  if (!SENDS_MAIL.includes(authPath(request))) return next(request);
  const { code_challenge: challenge, code_challenge_method: given } = await bodyOf(request);
  if (!challenge) return next(request);
  const method = (given ?? "plain").toLowerCase();
  if (!METHODS.includes(method)) {
    return problem(request, 400, { code: "validation_failed", message: "Invalid code_challenge_method" });
  }
  currentRequest().pkce = { challenge, method };
  return next(request);
}

/** The token to mail: Lite's own, or the name of a flow that keeps it, so that only completing that flow uses it. */
export async function mailedToken(driver, tokenHash) {
  const pkce = currentRequest().pkce;
  if (!pkce) return tokenHash;
  const id = randomUUID();
  await driver`
    insert into auth.flow_state (
      id, auth_code, authentication_method, code_challenge, code_challenge_method, provider_type, referrer
    ) values (${id}, ${randomUUID()}, 'otp', ${pkce.challenge}, ${pkce.method}, 'email', ${tokenHash})`;
  return `pkce_${id}`;
}

export const emailPkce = ({ driver, tokens }) =>
  async function emailPkce(request, next) {
    const url = new URL(request.url);
    if (authPath(request) === "/token" && url.searchParams.get("grant_type") === "pkce") {
      return exchange(driver, request, next);
    }
    const [, id] = MAILED_TOKEN.exec(url.searchParams.get("token") ?? "") ?? [];
    if (authPath(request) !== "/verify" || !UUID.test(id)) return next(request);
    const [flow] = await driver`
      select id, auth_code, referrer from auth.flow_state where id = ${id} and user_id is null`;
    url.searchParams.set("token", flow?.referrer ?? "used");
    return completed({ driver, tokens }, flow, await next(new Request(url, request)));
  };

/** Lite has opened a session for whoever visits the link; only who holds the verifier shall have one. */
async function completed({ driver, tokens }, flow, response) {
  const location = response.headers.get("location") ?? "";
  const liteToken = fragmentOf(location).get("access_token");
  if (!liteToken) return response;
  const { sub, session_id: session } = await tokens.readFromLite(liteToken);
  await driver`delete from auth.sessions where id = ${session}`;
  await driver`
    update auth.flow_state set user_id = ${sub}, auth_code_issued_at = now(), created_at = now() where id = ${flow.id}`;
  const target = new URL(location);
  target.hash = "";
  target.searchParams.set("code", flow.auth_code);
  return withLocation(response, target.href);
}

/** Tells apart, for the token's amr, what came by e-mail and what by OAuth. */
async function exchange(driver, request, next) {
  const { auth_code: code = "" } = await bodyOf(request);
  const [flow] = await driver`
    select 1 from auth.flow_state where auth_code = ${code} and provider_type = 'email'`;
  if (flow) currentRequest().signInMethod = "otp";
  return next(request);
}
