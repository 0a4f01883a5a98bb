/**
 * Lite answers 500 with code "SUP" to every SQLSTATE that it does not know, P0001 and check violations among them.
 * PostgREST has a status for each class and always reports the SQLSTATE. Lite passes errors of SQLSTATE `PGRST` through
 * verbatim, so unknown ones are put into that form.
 */
const KNOWN_TO_LITE = /^(PGRST|PT\d{3}|42(?!P17)\w{3}|22\w{3}|23503|23505|25006)$/;

const STATUS_BY_PREFIX = [
  ["08", 503],
  ["09", 500],
  ["0L", 403],
  ["0P", 403],
  ["21000", 500],
  ["25", 500],
  ["28", 403],
  ["2D", 500],
  ["38", 500],
  ["39", 500],
  ["3B", 500],
  ["40", 500],
  ["53400", 500],
  ["53", 503],
  ["54", 500],
  ["55", 500],
  ["57P01", 503],
  ["57", 500],
  ["58", 500],
  ["F0", 500],
  ["HV", 500],
  ["P0001", 400],
  ["P0", 500],
  ["XX", 500],
  ["42P17", 500],
];

export function toPostgrestError(error) {
  const code = error?.code;
  if (code === "MAX_PARAMETERS_EXCEEDED") {
    return inPostgrestForm(error, 413, { code: "PGRST102", message: "Too many values at once; send fewer rows" });
  }
  if (typeof code !== "string" || !/^[0-9A-Z]{5}$/.test(code) || KNOWN_TO_LITE.test(code)) return error;
  const status = STATUS_BY_PREFIX.find(([prefix]) => code.startsWith(prefix))?.[1] ?? 400;
  // PostgREST tells the failing row. But when a definer function wrote it, the caller may have no right to see it.
  const details = error.detail?.startsWith("Failing row contains") ? null : error.detail;
  return inPostgrestForm(error, status, { code, message: error.message, details, hint: error.hint });
}

const inPostgrestForm = (cause, status, { details = null, hint = null, ...rest }) => ({
  code: "PGRST",
  message: JSON.stringify({ ...rest, details, hint }),
  detail: JSON.stringify({ status, headers: {} }),
  cause,
});
