"""Turning changed policy files into migrations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scripts.access.history import Stamped, begin_end, removed, replay, seal
from scripts.access.layout import DOMAINS
from scripts.access.migration import Migration, named, next_version, read
from scripts.access.policy_file import PolicyFile
from scripts.access.policy_rules import load
from scripts.access.undo import undo

_LOCK_TIMEOUT = "set lock_timeout = '5s';"


@dataclass(frozen=True)
class Change:
    """A policy file that differs from its last stamp."""

    path: str
    sql: str

    @property
    def domain(self) -> str:
        return self.path.partition("/")[0]


def changes(files: Mapping[str, PolicyFile], state: Mapping[str, Stamped]) -> list[Change]:
    """What turns the stamped `state` into `files`, in order of application."""
    stamped = {entry.subject: entry for entry in state.values()}
    told = {file.subject for file in files.values()}
    found = []
    for path in sorted({*files, *state}, key=lambda path: (files.get(path) or state[path].file).rank):
        new, old = files.get(path), state.get(path)
        if new and old and new.text == old.file.text and new.subject == old.subject:
            continue
        parts = []
        if old and old.subject not in told:
            parts.append(undo(old.file, old.subject, None))
        if new and new.subject in stamped:
            parts.append(undo(stamped[new.subject].file, new.subject, new))
        parts.append(begin_end(new) if new else removed(path))
        found.append(Change(path, "\n\n".join(filter(None, parts))))
    return found


def stamp(
    policies: Path, migrations: Path, *, amend: bool = False, now: datetime | None = None
) -> list[Path]:
    """Write one migration for each domain whose policy files changed; returns what was written.

    With `amend` the newest stamped migration of such a domain is rewritten instead, as if for the
    first time: right only while nobody has deployed it.
    """
    files, history = load(policies), read(migrations)
    changed = {change.domain for change in changes(files, replay(history))}
    replaced = {m.domain: m for m in history if m.is_stamped and m.domain in changed} if amend else {}
    kept = [migration for migration in history if migration not in replaced.values()]
    due = [change for change in changes(files, replay(kept)) if change.domain in changed]
    written = []
    for domain in (domain for domain in DOMAINS if domain in changed):
        version = _place(domain, kept, replaced.get(domain)) if amend else _at_the_end(kept, now)
        body = "\n\n".join([_LOCK_TIMEOUT, *(change.sql for change in due if change.domain == domain)])
        if domain in replaced:
            replaced[domain].path.unlink()
        if any(change.domain == domain for change in due):
            migration = migrations / f"{version}_{domain}_access.sql"
            migration.write_text(seal(domain, body + "\n"))
            kept = sorted([*kept, named(migration)])
            written.append(migration)
    return written


def _at_the_end(history: list[Migration], now: datetime | None) -> str:
    return next_version(history[-1].version if history else None, not_before=now or datetime.now(UTC))


def _place(domain: str, kept: list[Migration], replaced: Migration | None) -> str:
    """Where it was; or right behind the domain's newest migration, whose objects it may need."""
    own = max((m.version for m in kept if m.domain == domain), default=None)
    if replaced and (own is None or own < replaced.version):
        return replaced.version
    if own is None:
        return _at_the_end(kept, None)
    return next_version(own, not_before=datetime.min.replace(tzinfo=UTC), taken={m.version for m in kept})
