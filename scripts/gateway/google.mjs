/** Lite has Google's endpoints built in. Here they lead to the stand-in, on the way out of this process. */

const AUTHORIZE = "https://accounts.google.com/o/oauth2/v2/auth";
const TOKEN = "https://oauth2.googleapis.com/token";
const USERINFO = "https://www.googleapis.com/userinfo/v2/me";

export const authorizeAt = (googleUrl, location) =>
  location.startsWith(AUTHORIZE) ? `${googleUrl}/o/oauth2/v2/auth${location.slice(AUTHORIZE.length)}` : location;

export function redirectGoogle(googleUrl) {
  const fetch = globalThis.fetch;
  globalThis.fetch = async (input, options) => {
    const url = String(input?.url ?? input);
    if (url === TOKEN) return withoutIdToken(await fetch(`${googleUrl}/oauth2/token`, options));
    if (url.startsWith(USERINFO)) return asUserinfoV2(await fetch(`${googleUrl}/oauth2/v2/userinfo`, options));
    return fetch(input, options);
  };
}

/** The stand-in signs identity tokens as itself, not as Google; without one Lite asks for the user info. */
async function withoutIdToken(response) {
  if (!response.ok) return response;
  const { id_token: _, ...token } = await response.json();
  return Response.json(token);
}

async function asUserinfoV2(response) {
  if (!response.ok) return response;
  const user = await response.json();
  const { sub, email_verified: verified } = user;
  return Response.json({ id: sub, verified_email: verified, ...user });
}
