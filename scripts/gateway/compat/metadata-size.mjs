/**
 * GoTrue takes a megabyte of user metadata. Every token carries it, and every request its token in a header, which
 * servers bound far lower: such a person could sign in and then do nothing.
 */
import { bodyOf, part, problem } from "../http.mjs";
import { currentRequest } from "../request-context.mjs";

const MAX_BYTES = 64 * 1024;

export const boundedMetadata = (driver) =>
  async function boundedMetadata(request, next) {
    if (part(request) !== "auth") return next(request);
    const { data } = await bodyOf(request);
    if (!data) return next(request);
    const merged = { ...(await storedMetadata(driver)), ...data };
    if (Buffer.byteLength(JSON.stringify(merged)) <= MAX_BYTES) return next(request);
    return problem(request, 413, { code: "request_too_large", message: `User metadata exceeds ${MAX_BYTES} bytes` });
  };

async function storedMetadata(driver) {
  const id = currentRequest().claims?.sub;
  if (!id) return {};
  const [user] = await driver`select raw_user_meta_data as metadata from auth.users where id = ${id}`;
  return user?.metadata;
}
