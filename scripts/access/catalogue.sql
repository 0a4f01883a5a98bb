-- Access as the catalogue has it: one row for every privilege of a client role.
-- %(roles)s are the client roles; everyone is `public`, which has no row in pg_roles.

with rooms as (
    select n.oid, n.nspname, n.nspacl, n.nspowner
    from pg_namespace as n
    where n.nspname !~ '^pg_' and n.nspname <> all (%(host_schemas)s)
),

ours as (
    select 'schema' as kind, r.nspname::text as object, '' as part,
        coalesce(r.nspacl, acldefault('n', r.nspowner)) as acl
    from rooms as r
    union all
    select case c.relkind when 'S' then 'sequence' else 'table' end, r.nspname || '.' || c.relname, '',
        coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))
    from pg_class as c
    inner join rooms as r on c.relnamespace = r.oid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'e')
    union all
    select 'table', r.nspname || '.' || c.relname, a.attname::text, a.attacl
    from pg_attribute as a
    inner join pg_class as c on a.attrelid = c.oid
    inner join rooms as r on c.relnamespace = r.oid
    where a.attacl is not null and not a.attisdropped
    and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'e')
    union all
    select 'function', r.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')', '',
        coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_proc as p
    inner join rooms as r on p.pronamespace = r.oid
    where not exists (select from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
    union all
    -- Everyone may use a type unless somebody said otherwise; only what was said is of interest.
    select 'type', r.nspname || '.' || t.typname, '', t.typacl
    from pg_type as t
    inner join rooms as r on t.typnamespace = r.oid
    where t.typacl is not null
)

select
    o.kind,
    o.object,
    o.part,
    coalesce(g.rolname, 'public') as role,
    lower(a.privilege_type) || case when a.is_grantable then ' with grant option' else '' end as privilege
from ours as o
cross join lateral aclexplode(o.acl) as a
left join pg_roles as g on a.grantee = g.oid
where coalesce(g.rolname, 'public') = any (%(roles)s);
