// Prints the DDL of auth and storage that the gateway expects, as JSON by owner.
import { getAuthSchemaSql, getStorageSchemaSql } from "@supabase/lite";

console.log(JSON.stringify({ supabase_auth_admin: getAuthSchemaSql(), supabase_storage_admin: getStorageSchemaSql() }));
