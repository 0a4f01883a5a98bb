/**
 * One line for each answer that is the server's fault, nothing for what clients get wrong. Lite prints every refusal
 * with its stack and the refused row; here that is only remembered, until the answer's status is known.
 */
import { currentRequest } from "./request-context.mjs";

// Their messages quote what was sent, which is nobody's business but the sender's.
const QUOTES_INPUT = /^(22|PGRST)/;

const print = console.error.bind(console);

export function rememberFaults() {
  console.error = (...parts) => {
    const request = currentRequest();
    if (request) request.fault = parts.at(-1);
    else print(...parts);
  };
}

export function logFault(status) {
  const { method, path, fault } = currentRequest();
  print([method, path, status, ...(fault ? describe(fault.cause ?? fault) : [])].join(" "));
}

function describe({ name, code, message, stack }) {
  const [line] = String(message).split("\n");
  if (code) return QUOTES_INPUT.test(code) ? [code] : [code, line];
  const [, place] = /\n +at (.*)/.exec(stack) ?? [];
  return [name, ...(name === "SyntaxError" ? [] : [line]), place];
}
