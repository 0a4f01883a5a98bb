/** The gateway's configuration: read once from the environment, complete or refused with every reason at once. */

export class SettingsError extends Error {}

export function readSettings(environment) {
  const problems = [];
  const read = (name, parse = (text) => text) => {
    const text = environment[name];
    if (!text) return void problems.push(`${name} is missing`);
    try {
      return parse(text);
    } catch (error) {
      problems.push(`${name} ${error.message}`);
    }
  };

  const port = read("GATEWAY_PORT", parsePort);
  const settings = {
    port,
    url: environment.SUPABASE_URL || `http://127.0.0.1:${port}`,
    databaseUrl: read("GATEWAY_DATABASE_URL", parseUrl("postgres:", "postgresql:")),
    jwtSecret: read("SUPABASE_JWT_SECRET", parseSecret),
    signingJwk: read("GATEWAY_SIGNING_JWK", parseSigningJwk),
    anonKey: read("SUPABASE_ANON_KEY"),
    serviceRoleKey: read("SUPABASE_SERVICE_ROLE_KEY"),
    storageDirectory: read("GATEWAY_STORAGE_DIR"),
    smtpUrl: read("SMTP_URL", parseUrl("smtp:", "smtps:")),
    googleUrl: read("GOOGLE_URL", parseUrl("http:", "https:")),
    auth: read("GATEWAY_AUTH", parseAuth),
  };
  if (problems.length > 0) throw new SettingsError(problems.join("\n"));
  return Object.freeze(settings);
}

function parsePort(text) {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error(`must be a port number, not "${text}"`);
  return port;
}

const parseUrl =
  (...protocols) =>
  (text) => {
    if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
      throw new Error(`must be a URL that starts with ${protocols.join(" or ")}`);
    }
    return text.replace(/\/$/, "");
  };

function parseSecret(text) {
  if (text.length < 32) throw new Error("must have at least 32 characters");
  return text;
}

function parseJsonObject(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("is not JSON");
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("must be a JSON object");
  return value;
}

function parseSigningJwk(text) {
  const jwk = parseJsonObject(text);
  if (jwk.kty !== "EC" || jwk.crv !== "P-256" || !jwk.d || !jwk.kid) {
    throw new Error("must be a private P-256 key (JWK) with a kid");
  }
  return jwk;
}

function parseAuth(text) {
  const auth = parseJsonObject(text);
  if (!URL.canParse(auth.site_url)) throw new Error("must contain site_url");
  return { ...auth, tokenHook: parseHook(auth.hook?.custom_access_token) };
}

/** `pg-functions://postgres/<schema>/<function>`, the form that the Supabase CLI documents. */
function parseHook(hook) {
  if (!hook?.enabled) return null;
  const match = /^pg-functions:\/\/postgres\/(\w+)\/(\w+)$/.exec(hook.uri ?? "");
  if (!match) throw new Error("has a custom_access_token hook that is not pg-functions://postgres/<schema>/<function>");
  return { schema: match[1], name: match[2] };
}
