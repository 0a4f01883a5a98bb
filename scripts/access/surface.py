"""What there is to have access to: tables with their columns, functions, and the client roles themselves."""

from dataclasses import dataclass
from typing import Any

import psycopg

from scripts.access.layout import CLIENT_ROLES, HOST_SCHEMAS

_COLUMNS = """
    select n.nspname || '.' || c.relname, array_agg(a.attname::text order by a.attnum)
    from pg_class as c
    inner join pg_namespace as n on c.relnamespace = n.oid
    inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> all (%s)
    and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'e')
    group by 1
    order by 1
"""

_FUNCTIONS = """
    select n.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')',
        n.nspname || '.' || p.proname || '(' || pg_get_function_arguments(p.oid) || ') returns '
        || coalesce(pg_get_function_result(p.oid), 'nothing')
        || case when p.prosecdef then ', definer' else '' end
    from pg_proc as p
    inner join pg_namespace as n on p.pronamespace = n.oid
    where n.nspname !~ '^pg_' and n.nspname <> all (%s)
    and not exists (select from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
    order by 1
"""

_ROLES = """
    select r.rolname, concat_ws(', ',
        case when r.rolcanlogin then 'login' else 'no login' end,
        case when r.rolsuper then 'superuser' end,
        case when r.rolbypassrls then 'bypasses row level security' end,
        case when r.rolcreatedb then 'creates databases' end,
        case when r.rolcreaterole then 'creates roles' end,
        (
            select string_agg(
                case when m.inherit_option then 'has what ' else 'may become ' end || g.rolname
                || case when m.inherit_option then ' has' else '' end
                || case when m.admin_option then ' and admit others' else '' end,
                ', ' order by g.rolname
            )
            from pg_auth_members as m
            inner join pg_roles as g on m.roleid = g.oid
            where m.member = r.oid
        ))
    from pg_roles as r
    where r.rolname = any (%s)
    order by 1
"""


@dataclass(frozen=True)
class Surface:
    """Names are qualified; functions are keyed as in the catalogue."""

    columns: dict[str, list[str]]
    functions: dict[str, str]
    roles: list[tuple[str, str]]


def read_surface(connection: psycopg.Connection[Any]) -> Surface:
    """Everything outside the host's own schemas."""
    host = [list(HOST_SCHEMAS)]
    with connection.transaction(force_rollback=True):
        connection.execute("set local search_path = ''")
        return Surface(
            dict(connection.execute(_COLUMNS, host).fetchall()),
            dict(connection.execute(_FUNCTIONS, host).fetchall()),
            connection.execute(_ROLES, [list(CLIENT_ROLES)]).fetchall(),
        )
