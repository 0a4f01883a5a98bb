/**
 * supabase-js uploads a form whose file has an empty field name and whose cacheControl is a field. Lite looks for a
 * field named "file" on POST and stores the whole form on PUT. It treats a plain body right both times.
 */
import { part, remade } from "../http.mjs";

export async function plainUploads(request, next) {
  const contentType = request.headers.get("content-type") ?? "";
  if (part(request) !== "storage" || !contentType.startsWith("multipart/form-data")) return next(request);
  const form = await request.formData();
  const file = [...form.values()].find((value) => value instanceof Blob);
  if (!file) return next(request);
  const headers = new Headers(request.headers);
  headers.set("content-type", file.type || "application/octet-stream");
  const cacheControl = form.get("cacheControl");
  if (cacheControl) headers.set("cache-control", `max-age=${cacheControl}`);
  return next(remade(request, { body: new Uint8Array(await file.arrayBuffer()), headers }));
}
