/** How Postgres values cross into JavaScript so that JSON made from them reads as the hosted Data API writes it. */

const codec = (oid, parse, serialize = (value) => value) => ({ to: oid, from: [oid], parse, serialize });

const isoTimestamp = (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
const timestamp = (oid) =>
  codec(oid, isoTimestamp, (value) => (value instanceof Date ? value.toISOString() : value));

/** A number where JavaScript holds it exactly, otherwise its digits; NaN and infinities are strings in JSON. */
function exactNumber(text) {
  const number = Number(text);
  if (!Number.isFinite(number)) return text;
  return String(number) === text ? number : JSON.rawJSON(text);
}

const keepExactDigits = (_key, value, { source } = {}) =>
  typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? JSON.rawJSON(source) : value;

const json = (oid) =>
  codec(
    oid,
    (text) => JSON.parse(text, keepExactDigits),
    // Text is JSON already: Lite's auth and storage stringify their metadata, json-values.mjs what clients send.
    (value) => (typeof value === "string" ? value : JSON.stringify(value)),
  );

export const codecs = {
  timestamp: timestamp(1114),
  timestamptz: timestamp(1184),
  json: json(114),
  jsonb: json(3802),
  // The driver would make any text but "t" false; Postgres knows which texts are booleans.
  bool: codec(16, (text) => text === "t", (value) => (typeof value === "string" ? value : value ? "t" : "f")),
  bigint: codec(20, exactNumber, String),
  numeric: codec(1700, exactNumber, String),
  bytea: codec(17, (text) => text, (value) =>
    typeof value === "string" ? value : `\\x${Buffer.from(value).toString("hex")}`,
  ),
};
