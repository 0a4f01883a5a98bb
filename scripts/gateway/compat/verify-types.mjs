/** Both clients verify a code with type "email"; Lite knows it as "magiclink". */
import { authPath, bodyOf, remade } from "../http.mjs";

export async function emailIsMagiclink(request, next) {
  if (authPath(request) !== "/verify" || request.method !== "POST") return next(request);
  const body = await bodyOf(request);
  if (body.type !== "email") return next(request);
  return next(remade(request, { body: JSON.stringify({ ...body, type: "magiclink" }) }));
}
