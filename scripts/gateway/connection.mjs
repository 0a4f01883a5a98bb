/** Lite's Postgres connection, made to treat every request as PostgREST would. */
import { PostgresConnection } from "@supabase/lite/postgres";

import { codecs } from "./codecs.mjs";
import { jsonValues } from "./compat/json-values.mjs";
import { toPostgrestError } from "./compat/sql-errors.mjs";
import { currentRequest } from "./request-context.mjs";
import { onSchemaNotice } from "./schema-notices.mjs";

export async function connect(databaseUrl) {
  const connection = new GatewayConnection({
    url: databaseUrl,
    postgresOptions: { max: 10, types: codecs, onnotice() {}, connection: { application_name: "gateway" } },
  });
  await connection.open(databaseUrl);
  return connection;
}

class GatewayConnection extends PostgresConnection {
  // "unknown" would make Lite grant ALL on all tables to the API roles at the first request.
  rlsState = "active";

  #statementTimeouts = new Map();
  #stopListening;

  async open(databaseUrl) {
    this.#stopListening = await onSchemaNotice(databaseUrl, () => this.#reload());
  }

  async close() {
    await this.#stopListening();
    await super.close();
  }

  async #reload() {
    await this.clearSchemaCache();
    const rows = await this.driver`
      select rolname, split_part(setting, '=', 2) as timeout
      from pg_catalog.pg_roles, unnest(rolconfig) as setting
      where setting like 'statement_timeout=%'`;
    this.#statementTimeouts = new Map(rows.map(({ rolname, timeout }) => [rolname, timeout]));
  }

  /** Every request is one transaction under the caller's role; an answer that reports an error keeps nothing. */
  async withContext(caller, run, options = {}) {
    if (!caller) return super.withContext(caller, run, options);
    if (options.transaction) {
      await this.#impersonate(caller, options.transaction);
      return run(options.transaction);
    }
    try {
      return await this.kysely.transaction().execute(async (transaction) => {
        await this.#impersonate(caller, transaction);
        const result = await run(transaction);
        const failed = result instanceof Response && result.status >= 400;
        if (failed || options.forceRollback) throw new RolledBack(result);
        return result;
      });
    } catch (error) {
      if (error instanceof RolledBack) return error.result;
      throw error;
    }
  }

  async onPostgrestAST(ast, vars) {
    const checked = await super.onPostgrestAST(ast, vars);
    return jsonValues(checked, await this.introspect({ useCache: true }), this.driver, currentRequest()?.sent);
  }

  normalizeDbError(error) {
    return toPostgrestError(super.normalizeDbError(error));
  }

  async #impersonate({ auth = {}, storage }, transaction) {
    const role = auth.role || "anon";
    const settings = {
      role,
      "request.jwt.claims": JSON.stringify(auth.jwt ?? { role }),
      "storage.operation": String(storage?.operation ?? ""),
      search_path: "public, extensions",
      ...requestSettings(currentRequest()),
    };
    const timeout = this.#statementTimeouts.get(role) ?? this.#statementTimeouts.get("authenticator");
    if (timeout) settings.statement_timeout = timeout;
    await transaction
      .selectNoFrom((eb) =>
        Object.entries(settings).map(([name, value]) =>
          eb.fn("set_config", [eb.val(name), eb.val(value), eb.lit(true)]).as(name),
        ),
      )
      .execute();
  }
}

/** What PostgREST tells SQL about the request; reading requests cannot write. */
function requestSettings({ method, path, headers }) {
  const settings = {
    "request.method": method,
    "request.path": path.replace(/^\/rest\/v1/, ""),
    "request.headers": JSON.stringify(headers),
  };
  const readOnly = path.startsWith("/rest/") && (method === "GET" || method === "HEAD");
  return readOnly ? { ...settings, transaction_read_only: "on" } : settings;
}

class RolledBack extends Error {
  constructor(result) {
    super("nothing of this transaction is kept");
    this.result = result;
  }
}
