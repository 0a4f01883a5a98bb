/** Turns the token that Lite issues for a session into the one that the client gets: complete claims, hook, ES256. */

const HOOK_TIMEOUT = "2s";
// What GoTrue demands of a hook's answer.
const REQUIRED_CLAIMS = ["aud", "exp", "iat", "sub", "email", "phone", "role", "aal", "session_id", "is_anonymous"];

export class HookFailed extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function createMint({ driver, tokens, hook }) {
  /**
   * `method` is how the session was authenticated ("password", "otp", "oauth"); null when it is being refreshed.
   * If the hook refuses, a new session ends at once and HookFailed is thrown.
   */
  return async function mint(liteToken, method) {
    const base = await tokens.readFromLite(liteToken);
    const claims = await completeClaims(driver, tokens.issuer, base, method);
    if (!hook) return tokens.sign(claims);
    try {
      return await tokens.sign(await runHook(driver, hook, claims, method ?? "token_refresh"));
    } catch (error) {
      if (method) await driver`delete from auth.sessions where id = ${claims.session_id}`;
      throw error;
    }
  };
}

async function completeClaims(driver, issuer, base, method) {
  // The session remembers its method in a column that Lite leaves unused, so that refreshed tokens tell it too.
  const [session] = await driver`
    update auth.sessions set tag = coalesce(tag, ${method}) where id = ${base.session_id} returning tag, created_at`;
  const [user] = await driver`
    select phone, is_anonymous, raw_app_meta_data, raw_user_meta_data from auth.users where id = ${base.sub}`;
  const signedInAt = Math.floor(Date.parse(session.created_at) / 1000);
  return {
    iss: issuer,
    ...base,
    email: base.email ?? "",
    phone: user.phone ?? "",
    app_metadata: user.raw_app_meta_data,
    user_metadata: user.raw_user_meta_data,
    aal: "aal1",
    amr: session.tag ? [{ method: session.tag, timestamp: signedInAt }] : [],
    is_anonymous: user.is_anonymous,
  };
}

async function runHook(driver, hook, claims, method) {
  const event = JSON.stringify({ user_id: claims.sub, claims, authentication_method: method });
  const answer = await callHook(driver, hook, event);
  if (answer?.error) throw new HookFailed(answer.error.http_code ?? 500, answer.error.message ?? "Hook refused");
  const missing = REQUIRED_CLAIMS.filter((name) => answer?.claims?.[name] === undefined);
  if (missing.length > 0) throw new HookFailed(500, `output claims do not conform to the expected schema: ${missing}`);
  return answer.claims;
}

async function callHook(driver, { schema, name }, event) {
  try {
    return await driver.begin(async (transaction) => {
      await transaction`select set_config('role', 'supabase_auth_admin', true),
                               set_config('statement_timeout', ${HOOK_TIMEOUT}, true)`;
      const hookFunction = transaction`${transaction(schema)}.${transaction(name)}`;
      const [{ answer }] = await transaction`select ${hookFunction}(${event}::jsonb) as answer`;
      return answer;
    });
  } catch (error) {
    console.error(error);
    throw new HookFailed(500, "Error running hook URI: custom access token hook failed");
  }
}
