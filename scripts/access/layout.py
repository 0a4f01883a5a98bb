"""Where the house keeps its access: domains in order, schemas, roles and directories."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = ROOT / "supabase" / "migrations"
POLICIES = ROOT / "supabase" / "policies"

DOMAINS = (
    "core",
    "audit",
    "jobs",
    "identity",
    "ledger",
    "billing",
    "metering",
    "ai",
    "marketplace",
    "admin",
)
"""Lowest first: the SQL of a domain uses only itself and what stands before it."""

SHARED_SCHEMAS = ("public", "edge")
"""Rooms that every domain furnishes: the client API and the edge's contract."""

SCHEMAS = (*SHARED_SCHEMAS, *DOMAINS)

API_ROLES = ("anon", "authenticated", "service_role", "edge_service")
"""Whom every table's file turns away before it lets anybody in."""

CLIENT_ROLES = (*API_ROLES, "supabase_auth_admin", "public")
"""Whose privileges policies/ alone decides; `public` is everyone."""

HOST_SCHEMAS = ("auth", "storage", "extensions", "information_schema")
"""Rooms that the host brings along and keeps."""
