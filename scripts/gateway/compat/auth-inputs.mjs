/**
 * Lite's Auth trusts the types of what it is sent and passes NUL on to Postgres: 500 where GoTrue answers 400. It also
 * tells null from absent, which GoTrue does not.
 */
import { authPath, bodyOf, part, problem, remade } from "../http.mjs";

const TEXTS = [
  "email",
  "password",
  "token",
  "token_hash",
  "type",
  "refresh_token",
  "auth_code",
  "code_verifier",
  "code_challenge",
  "code_challenge_method",
  "scope",
];
const MAX_TEXT_LENGTH = 255; // of the columns that hold them

export async function typedAuthInputs(request, next) {
  if (part(request) !== "auth") return next(request);
  const body = await bodyOf(request);
  const flaw = flawOfUrl(request.url) ?? flawOfBody(body);
  if (flaw) return problem(request, 400, { code: "validation_failed", message: flaw });
  return legible(request, await next(withoutNulls(request, body)));
}

const flawOfUrl = (url) => (/%00/.test(url) ? "The URL contains a NUL character" : null);

function flawOfBody(body) {
  if (containsNul(body)) return "The body contains a NUL character";
  for (const name of TEXTS) {
    const value = body[name] ?? "";
    if (typeof value !== "string") return `${name} must be a string`;
    if (value.length > MAX_TEXT_LENGTH) return `${name} is too long`;
  }
  const data = body.data ?? {};
  return typeof data === "object" && !Array.isArray(data) ? null : "data must be an object";
}

function containsNul(value) {
  if (typeof value === "string") return value.includes("\0");
  if (value === null || typeof value !== "object") return false;
  return Object.entries(value).some(([name, member]) => containsNul(name) || containsNul(member));
}

function withoutNulls(request, body) {
  const given = Object.entries(body).filter(([, value]) => value !== null);
  if (given.length === Object.keys(body).length) return request;
  return remade(request, { body: JSON.stringify(Object.fromEntries(given)) });
}

/** What a trigger on auth.users refuses, GoTrue reports as a database error, in the shape that clients read. */
function legible(request, response) {
  if (response.status !== 500) return response;
  const message = { "/signup": "Database error saving new user", "/user": "Database error updating user" };
  return problem(request, 500, {
    code: "unexpected_failure",
    message: message[authPath(request)] ?? "Unexpected failure, please check the log",
  });
}
