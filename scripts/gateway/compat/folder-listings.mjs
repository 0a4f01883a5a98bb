/** Hosted Storage lists a folder: its files and its subfolders by their own names. Lite lists every object below it. */
import { bodyOf, remade, withJson } from "../http.mjs";

const FOLDER = { id: null, updated_at: null, created_at: null, last_accessed_at: null, metadata: null };

export async function folderListings(request, next) {
  const { pathname } = new URL(request.url);
  if (request.method !== "POST" || !pathname.startsWith("/storage/v1/object/list/")) return next(request);
  const { prefix = "", search = "", limit = 100, offset = 0, sortBy = {} } = await bodyOf(request);
  const folder = String(prefix).replace(/^\/+|\/+$/g, "");
  const path = folder === "" ? "" : `${folder}/`;
  const response = await next(remade(request, { body: JSON.stringify({ prefix: path }) }));
  if (!response.ok) return response;
  const entries = childrenOf(path, await response.json())
    .filter(({ name }) => name.toLowerCase().startsWith(String(search).toLowerCase()))
    .sort(by(sortBy));
  return withJson(response, entries.slice(offset, offset + limit));
}

function childrenOf(path, objects) {
  const children = new Map();
  for (const object of objects.filter(({ name }) => name.startsWith(path))) {
    const [name, ...below] = object.name.slice(path.length).split("/");
    children.set(name, below.length > 0 ? { name, ...FOLDER } : { ...object, name });
  }
  return [...children.values()];
}

const by = ({ column = "name", order = "asc" }) => (one, other) => {
  const sign = order === "desc" ? -1 : 1;
  return sign * String(one[column] ?? "").localeCompare(String(other[column] ?? ""), "en");
};
