/**
 * Lite reads a body of any size, replaces invalid UTF-8, overflows its stack on deep JSON and takes "x" or [1] for
 * rows. Such bodies are refused here, before they reach it.
 */
import { carriesJson, part, problem, remade } from "../http.mjs";
import { currentRequest } from "../request-context.mjs";

const MEBIBYTE = 2 ** 20;
const LIMITS = { rest: 8 * MEBIBYTE, auth: MEBIBYTE, storage: 51 * MEBIBYTE };
// Deeper JSON would exhaust the stack of JSON.stringify here, or of jsonb in Postgres.
const MAX_JSON_DEPTH = 1000;

const MALFORMED = { rest: "PGRST102", auth: "bad_json", storage: "InvalidRequest" };
const TOO_LARGE = { rest: "PGRST102", auth: "request_too_large", storage: "Payload too large" };

class MalformedBody extends Error {}

export async function checkedBodies(request, next) {
  const area = part(request);
  if (!request.body || !area) return next(request);
  const bytes = await readAtMost(request.body, LIMITS[area]);
  if (!bytes) {
    return problem(request, 413, { code: TOO_LARGE[area], message: `Body exceeds ${LIMITS[area]} bytes` });
  }
  try {
    if (bytes.length > 0 && area !== "storage") decode(bytes);
    if (bytes.length > 0 && carriesJson(request)) readJson(area, decode(bytes));
  } catch (error) {
    if (error instanceof MalformedBody) return problem(request, 400, { code: MALFORMED[area], message: error.message });
    throw error;
  }
  return next(remade(request, { body: bytes.length > 0 ? bytes : null }));
}

/** Null when there is more; the rest is read too, for a client listens only once it has sent everything. */
async function readAtMost(stream, limit) {
  const chunks = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
  }
  return size <= limit ? Buffer.concat(chunks) : null;
}

function readJson(area, text) {
  const value = parse(text);
  if (area === "rest" ? !isRows(value) : !isObject(value)) throw new MalformedBody("Empty or invalid json");
  if (area === "rest") currentRequest().sent = value;
}

function decode(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new MalformedBody("Body is not valid UTF-8");
  }
}

function parse(text) {
  if (depthOf(text) > MAX_JSON_DEPTH) throw new MalformedBody(`JSON is nested deeper than ${MAX_JSON_DEPTH} levels`);
  try {
    return JSON.parse(text, faithfully);
  } catch (error) {
    throw error instanceof MalformedBody ? error : new MalformedBody("Empty or invalid json");
  }
}

/** What JavaScript would silently change is kept as it was written (`1.50`, integers beyond 2^53), or refused. */
function faithfully(name, value, { source }) {
  // Half a character, which UTF-8 cannot hold.
  if (typeof value === "string" && !value.isWellFormed()) throw new MalformedBody("Text is not valid Unicode");
  if (typeof value !== "number" || String(value) === source) return value;
  if (!Number.isFinite(value)) throw new MalformedBody(`The number "${name}" is out of range`);
  return JSON.rawJSON(source);
}

const isObject = (value) =>
  value !== null && typeof value === "object" && !Array.isArray(value) && !JSON.isRawJSON(value);

const isRows = (value) => isObject(value) || (Array.isArray(value) && value.every(isObject));

/** By hand: a regular expression would overflow on strings of megabytes. */
function depthOf(json) {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < json.length; index++) {
    const character = json[index];
    if (inString) {
      if (character === "\\") index++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "[" || character === "{") deepest = Math.max(deepest, ++depth);
    else if (character === "]" || character === "}") depth--;
  }
  return deepest;
}
