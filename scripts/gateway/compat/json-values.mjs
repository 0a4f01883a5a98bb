/**
 * Lite and the driver guess how a JSON value becomes a Postgres value: `true` for a jsonb column is sent as boolean,
 * "[1]" is parsed a second time, "9007199254740993" is rounded, an object for a text column becomes "[object Object]".
 * PostgREST lets Postgres convert the value's JSON text. So such values travel as text whose type is known.
 */
const JSON_TYPES = ["json", "jsonb"];
const NUMBER_TYPES = ["int2", "int4", "int8", "numeric", "float4", "float8"];
const OIDS = { json: 114, jsonb: 3802, inferred: 0 };

/** `sent` is the request's body with exact numbers, if it has one in JSON; Lite has read it with rounded ones. */
export function jsonValues(ast, introspection, driver, sent) {
  if (ast.type === "rpc") return { ...ast, args: argumentsAsText(ast, sent ?? ast.args, introspection.functions) };
  if (!ast.values) return ast;
  const values = sent ?? ast.values;
  const types = columnTypes(ast, introspection.columns);
  const convert = (row) => mapValues(row, (value, name) => columnValue(driver, value, types.get(name)));
  return { ...ast, values: Array.isArray(values) ? values.map(convert) : convert(values) };
}

function columnTypes(ast, columns) {
  const own = columns.filter((column) => column.table === ast.from && column.schema === (ast.schema ?? "public"));
  return new Map(own.map((column) => [column.name, column.pg_type]));
}

function columnValue(driver, value, type = "") {
  if (value === null || value === undefined) return value;
  if (JSON_TYPES.includes(type)) return driver.typed(JSON.stringify(value), OIDS[type]);
  if (Array.isArray(value) && isArrayType(type)) return exactElements(value);
  if (JSON.isRawJSON(value) || (typeof value !== "number" && NUMBER_TYPES.includes(type))) {
    return driver.typed(textOf(value), OIDS.inferred);
  }
  return typeof value === "object" ? JSON.stringify(value) : value;
}

function argumentsAsText({ httpMethod, function: name, schema = "public" }, args, functions) {
  if (!args || Array.isArray(args) || httpMethod === "GET") return args;
  const candidates = functions.filter((fn) => fn.schema === schema && fn.name === name);
  const typesOf = (argument) => candidates.flatMap((fn) => fn.arg_types[fn.arg_names.indexOf(argument)] ?? []);
  return mapValues(args, (value, argument) => argumentValue(value, typesOf(argument)));
}

/** Without a type it belongs to a function that takes all arguments as one JSON object. */
function argumentValue(value, types) {
  if (value === null || types.length === 0) return value;
  if (types.some((type) => JSON_TYPES.includes(type))) return JSON.stringify(value);
  if (Array.isArray(value) && types.some(isArrayType)) return exactElements(value);
  return typeof value === "object" ? JSON.stringify(value) : value;
}

const isArrayType = (type) => type.startsWith("_") || type.endsWith("[]");

const textOf = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function exactElements(value) {
  if (Array.isArray(value)) return value.map(exactElements);
  return JSON.isRawJSON(value) ? textOf(value) : value;
}

const mapValues = (object, convert) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, convert(value, name)]));
