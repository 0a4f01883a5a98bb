/** What of supabase/config.toml Lite is told, in its own terms. */
const AUTH_KEYS = [
  "site_url",
  "additional_redirect_urls",
  "jwt_expiry",
  "enable_refresh_token_rotation",
  "enable_signup",
  "minimum_password_length",
  "password_requirements",
];
const EMAIL_KEYS = ["enable_signup", "double_confirm_changes", "enable_confirmations", "otp_length", "otp_expiry"];
const GOOGLE_KEYS = ["enabled", "client_id", "secret"];
const SESSION_KEYS = ["timebox", "inactivity_timeout"];

export function liteConfig(settings, liteSecret) {
  const { auth, url, anonKey, serviceRoleKey } = settings;
  return {
    api: { schemas: ["public"], external_url: url },
    auth: {
      enabled: true,
      ...pick(auth, AUTH_KEYS),
      jwt_secret: liteSecret,
      sessions: pick(auth.sessions, SESSION_KEYS),
      email: pick(auth.email, EMAIL_KEYS),
      external: { google: pick(auth.external?.google, GOOGLE_KEYS) },
    },
    storage: { enabled: true, file_size_limit: "50MiB" },
    db: { migrations: { enabled: false } },
    studio: { enabled: false },
    options: {
      server: { admin: false, disableStudio: true, apiKeys: { resolver: legacyKeys(anonKey, serviceRoleKey) } },
    },
  };
}

/** Lite resolves only `sb_…` keys; these are the legacy JWTs, compared whole, as the hosted gateway does. */
const legacyKeys = (anonKey, serviceRoleKey) => async (key) => {
  if (key === anonKey) return { type: "publishable", claims: { role: "anon" } };
  if (key === serviceRoleKey) return { type: "secret", claims: { role: "service_role" } };
  return null;
};

const pick = (table = {}, keys) =>
  Object.fromEntries(keys.filter((key) => table[key] !== undefined).map((key) => [key, table[key]]));
