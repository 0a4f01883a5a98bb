/**
 * Lite and the driver guess how a JSON value becomes a Postgres value: `true` for a jsonb column is sent as boolean,
 * "[1]" is parsed a second time, "9007199254740993" is rounded, an object for a text column becomes "[object Object]".
 * PostgREST lets Postgres convert the value's JSON text. So such values travel as text whose type is known.
 */
const JSON_TYPES = ["json", "jsonb"];
const NUMBER_TYPES = ["int2", "int4", "int8", "numeric", "float4", "float8"];
const OIDS = { json: 114, jsonb: 3802, inferred: 0 };

export function jsonValues(ast, introspection, driver) {
  if (ast.type === "rpc") return { ...ast, args: argumentsAsText(ast, introspection.functions) };
  if (!ast.values) return ast;
  const types = columnTypes(ast, introspection.columns);
  const convert = (row) => mapValues(row, (value, name) => columnValue(driver, value, types.get(name)));
  return { ...ast, values: Array.isArray(ast.values) ? ast.values.map(convert) : convert(ast.values) };
}

function columnTypes(ast, columns) {
  const own = columns.filter((column) => column.table === ast.from && column.schema === (ast.schema ?? "public"));
  return new Map(own.map((column) => [column.name, column.pg_type]));
}

function columnValue(driver, value, type = "") {
  if (value === null || value === undefined) return value;
  if (JSON_TYPES.includes(type)) return driver.typed(JSON.stringify(value), OIDS[type]);
  if (typeof value === "string") return NUMBER_TYPES.includes(type) ? driver.typed(value, OIDS.inferred) : value;
  if (typeof value === "object" && !isArrayFor(value, type)) return JSON.stringify(value);
  return value;
}

const isArrayFor = (value, type) => Array.isArray(value) && type.startsWith("_");

/** Lite itself turns arguments other than strings into JSON text. */
function argumentsAsText({ args, httpMethod, function: name, schema = "public" }, functions) {
  if (!args || Array.isArray(args) || httpMethod === "GET") return args;
  const candidates = functions.filter((fn) => fn.schema === schema && fn.name === name);
  const isJson = (argument) =>
    candidates.some((fn) => JSON_TYPES.includes(fn.arg_types[fn.arg_names.indexOf(argument)]));
  return mapValues(args, (value, argument) =>
    typeof value === "string" && isJson(argument) ? JSON.stringify(value) : value,
  );
}

const mapValues = (object, convert) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, convert(value, name)]));
