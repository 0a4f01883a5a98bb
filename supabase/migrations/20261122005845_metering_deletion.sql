-- What metering knows about a person goes with the person; what they used stays, as numbers.

set lock_timeout = '5s';

create function metering.forget_person()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    delete from metering.overrides as o where o.user_id = new.id;
    update metering.reservations as r
    set idempotency_key = null
    where r.user_id = new.id and r.idempotency_key is not null;
    return null;
end
$$;
comment on function metering.forget_person() is
'Drops overrides and the keys that clients chose. Work under way may still be settled, because its cost is a fact; else its hold expires within the hour.
Definer because the auth service may not write these tables.';

create trigger _500_forget_usage
after update of deleted_at on public.profiles
for each row
when (old.deleted_at is null and new.deleted_at is not null)
execute function metering.forget_person();
