"""The store of the record: one database by URL, written append-only and read back.

SQLite runs with a write-ahead log and a full sync at each commit: what :meth:`Store.append` has returned
from survives a crash of the process and of the machine. Triggers refuse any change or deletion of an entry.
Readers never wait for the writer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from minifactory.errors import EnvironmentFault, Finding, InputError, did_you_mean
from minifactory.historian.audit import ORIGIN, Verification, genesis, link
from minifactory.historian.entries import Entry, instruction_stage
from minifactory.historian.schema import (
    VERSION,
    entry_table,
    guards,
    metadata,
    replayed_table,
    run_table,
    schema_table,
)


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs; `state` is empty while the record does not say how the run ended."""

    identifier: str
    opened: str
    skid: str
    recipe: str
    version: str
    origin: str
    state: str
    ended: str
    entries: int


@dataclass(frozen=True)
class Stored:
    """An entry with its place in the chain."""

    sequence: int
    entry: Entry
    hash: str


class Store:
    """An open historian database.

    Parameters
    ----------
    place : str or Path
        A file (SQLite) or a database URL, e.g. ``sqlite:///runs.db`` or
        ``postgresql+psycopg://user@host/name``.
    busy_timeout : float
        s for which a locked SQLite database is waited for before an append fails (the writer retries later).

    Raises
    ------
    InputError
        A URL that names no known database, or a database made by a newer version.
    EnvironmentFault
        The database cannot be opened.
    """

    def __init__(self, place: str | Path, *, busy_timeout: float = 5.0) -> None:
        self.url = _url(place)
        try:
            self.engine = _engine(self.url, busy_timeout)
        except (ArgumentError, NoSuchModuleError, ImportError) as fault:
            raise InputError(
                Finding(
                    "historian", f'"{self._shown}" is no database URL ({fault})', "e.g. sqlite:///runs.db"
                )
            ) from fault
        with self._faults("open"):
            if self.engine.dialect.name == "sqlite" and self.engine.url.database not in (
                None,
                "",
                ":memory:",
            ):
                Path(str(self.engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
            self._prepare()

    @property
    def _shown(self) -> str:
        try:
            return make_url(self.url).render_as_string(hide_password=True)
        except ArgumentError:
            return self.url[:80]

    def _prepare(self) -> None:
        with self.engine.connect() as connection:
            if self.engine.dialect.has_table(connection, schema_table.name):
                found = connection.execute(select(func.max(schema_table.c.version))).scalar()
                if found is not None and found > VERSION:
                    raise InputError(
                        Finding(
                            f"historian {self._shown}",
                            f"the database has schema version {found}",
                            f"at most {VERSION}",
                            "Open it with the newer version of MiniFactory that made it.",
                        )
                    )
                if found is not None:
                    return
        with self._writing() as connection:
            metadata.create_all(connection)
            for statement in guards(self.engine.dialect.name):
                connection.exec_driver_sql(statement)
            if connection.execute(select(func.count()).select_from(schema_table)).scalar() == 0:
                connection.execute(insert(schema_table).values(version=VERSION))

    @contextmanager
    def _faults(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as fault:
            reason = str(getattr(fault, "orig", None) or fault).splitlines()[0]
            raise EnvironmentFault(
                Finding(
                    f"historian {self._shown}",
                    f"cannot {verb} the database: {reason}",
                    remedy="Check the disk, the permissions and the database's server.",
                )
            ) from fault

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that holds the right to write from its beginning."""
        with self.engine.connect() as plain:
            connection = plain.execution_options(minifactory_immediate=True)
            with connection.begin():
                yield connection

    def append(self, entries: Sequence[Entry], mark: tuple[str, int] | None = None) -> None:
        """Write `entries` in order at the ends of their runs' chains, all or none, durably.

        Parameters
        ----------
        entries : sequence of Entry
            Of any runs; a run that is not known yet is opened.
        mark : (str, int) or None
            A spool file and the position up to which these entries take it in, remembered in the same
            transaction, so that nothing is taken in twice.

        Raises
        ------
        EnvironmentFault
            Disk full, read-only, locked, server gone. Nothing was written.
        """
        with self._faults("write to"), self._writing() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.exec_driver_sql("LOCK TABLE run IN SHARE ROW EXCLUSIVE MODE")
            tips: dict[str, tuple[int, int, str]] = {}
            rows: list[dict[str, Any]] = []
            for entry in entries:
                if entry.run not in tips:
                    tips[entry.run] = _tip(connection, entry)
                ordinal, sequence, previous = tips[entry.run]
                if _told_before(connection, ordinal, entry, rows):
                    continue
                digest = link(previous, sequence + 1, entry)
                tips[entry.run] = (ordinal, sequence + 1, digest)
                rows.append(
                    {
                        "run": ordinal,
                        "sequence": sequence + 1,
                        "kind": entry.kind,
                        "time": entry.time,
                        "wall": entry.wall,
                        "body": entry.body,
                        "blob": entry.blob,
                        "hash": digest,
                    }
                )
                _index(connection, ordinal, entry)
            if rows:
                connection.execute(insert(entry_table), rows)
            if mark is not None:
                _remember(connection, *mark)

    def replayed(self, spool: str) -> int:
        """The position up to which the spool file `spool` has been taken in; 0 for an unknown one."""
        query = select(replayed_table.c.position).where(replayed_table.c.spool == spool)
        with self._faults("read"), self.engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def runs(self) -> tuple[RunSummary, ...]:
        """All runs, the oldest first."""
        count = (
            select(func.count())
            .where(entry_table.c.run == run_table.c.ordinal)
            .scalar_subquery()
            .label("entries")
        )
        query = select(run_table, count).where(run_table.c.identifier != "").order_by(run_table.c.ordinal)
        with self._faults("read"), self.engine.connect() as connection:
            found = connection.execute(query).mappings().all()
        return tuple(
            RunSummary(**{name: row[name] for name in RunSummary.__dataclass_fields__}) for row in found
        )

    def summary(self, run: str) -> RunSummary:
        """The line of the list of runs for `run`; InputError naming the closest when there is none."""
        self._ordinal(run)
        return next(item for item in self.runs() if item.identifier == run)

    def entries(self, run: str, kinds: Collection[str] | None = None, after: int = 0) -> Iterator[Stored]:
        """The entries of `run` in order, only those of `kinds` (None: all) and with a sequence above `after`.

        Raises
        ------
        InputError
            When there is no such run; names the closest.
        """
        ordinal = self._ordinal(run)
        query = (
            select(entry_table)
            .where(entry_table.c.run == ordinal, entry_table.c.sequence > after)
            .order_by(entry_table.c.sequence)
        )
        if kinds is not None:
            query = query.where(entry_table.c.kind.in_(sorted(kinds)))
        with self._faults("read"), self.engine.connect() as connection:
            for row in connection.execution_options(yield_per=500).execute(query):
                entry = Entry(run, row.kind, row.time, row.wall, row.body, row.blob)
                yield Stored(row.sequence, entry, row.hash)

    def _ordinal(self, run: str) -> int:
        with self._faults("read"), self.engine.connect() as connection:
            query = select(run_table.c.ordinal).where(run_table.c.identifier == run)
            ordinal = connection.execute(query).scalar()
            if ordinal is None:
                known = connection.execute(select(run_table.c.identifier)).scalars().all()
                raise InputError(
                    Finding(f"historian {self._shown}", f'no run "{run}"', remedy=did_you_mean(run, known))
                )
        return int(ordinal)

    def head(self, run: str) -> str:
        """The hash of the last entry of `run`: a batch record states it, and it seals all before it."""
        query = select(entry_table.c.hash).where(entry_table.c.run == self._ordinal(run))
        with self._faults("read"), self.engine.connect() as connection:
            return str(connection.execute(query.order_by(entry_table.c.sequence.desc()).limit(1)).scalar())

    def verify(self, run: str, expected_head: str | None = None) -> Verification:
        """Whether the record of `run` is as it was written, and if not, where it first is not.

        Parameters
        ----------
        run : str
            Identifier.
        expected_head : str or None
            Hash that a batch record or an export states; it must occur in the chain, else the end was cut
            off.
        """
        ordinal = self._ordinal(run)
        previous, fault = self._genesis(ordinal)
        number, closed, seen = 0, False, expected_head is None
        for stored in self.entries(run) if not fault else ():
            what = f"{stored.entry.kind} at {stored.entry.time:g} s, recorded {stored.entry.wall}"
            if stored.sequence != number + 1:
                fault = f"entries {number + 1} to {stored.sequence - 1} are missing (before {what})"
            elif link(previous, stored.sequence, stored.entry) != stored.hash:
                fault = f"entry {stored.sequence} ({what}) was changed"
            if fault:
                break
            previous, number = stored.hash, stored.sequence
            seen = seen or stored.hash == expected_head
            closed = closed or stored.entry.kind == "RunStopped"
        if not fault and not seen:
            fault = (
                f"the chain ends at entry {number} and lacks the head {expected_head}: its end was cut off"
            )
        return Verification(run, not fault, number, previous, fault, closed)

    def _genesis(self, ordinal: int) -> tuple[str, str]:
        """The genesis of a run as it should be, and what is wrong with it in the index."""
        query = select(run_table).where(run_table.c.ordinal <= ordinal).order_by(run_table.c.ordinal.desc())
        with self._faults("read"), self.engine.connect() as connection:
            rows = connection.execute(query.limit(2)).all()
        before = rows[1].genesis if len(rows) > 1 else ORIGIN
        should = genesis(before, rows[0].identifier)
        if should == rows[0].genesis:
            return should, ""
        return should, "the run before it in this store was removed or changed"

    def close(self) -> None:
        """Leave the database; idempotent."""
        self.engine.dispose()


def _url(place: str | Path) -> str:
    text = str(place)
    return text if "://" in text else f"sqlite:///{Path(text).expanduser()}"


def _engine(url: str, busy_timeout: float) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": busy_timeout})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("minifactory_immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _tip(connection: Connection, entry: Entry) -> tuple[int, int, str]:
    """Ordinal, last sequence and last hash of the run of `entry`, which is opened when it is new."""
    query = select(run_table.c.ordinal, run_table.c.genesis).where(run_table.c.identifier == entry.run)
    row = connection.execute(query).first()
    if row is None:
        newest = select(run_table.c.genesis).order_by(run_table.c.ordinal.desc()).limit(1)
        start = genesis(connection.execute(newest).scalar() or ORIGIN, entry.run)
        values = {"identifier": entry.run, "opened": entry.wall, "genesis": start}
        result = connection.execute(insert(run_table).values(**values))
        key = result.inserted_primary_key
        return int(key[0] if key else 0), 0, start
    last = (
        select(entry_table.c.sequence, entry_table.c.hash)
        .where(entry_table.c.run == row.ordinal)
        .order_by(entry_table.c.sequence.desc())
        .limit(1)
    )
    tip = connection.execute(last).first()
    return (row.ordinal, tip.sequence, tip.hash) if tip else (row.ordinal, 0, row.genesis)


def _told_before(
    connection: Connection, ordinal: int, entry: Entry, rows: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether `entry` is told again, and stands in the run already or among the `rows` to come."""
    told = instruction_stage(entry)
    if told is None or not told[2]:
        return False
    query = select(entry_table.c.body).where(entry_table.c.run == ordinal, entry_table.c.kind == entry.kind)
    bodies = [*connection.execute(query).scalars()]
    bodies += [row["body"] for row in rows if row["run"] == ordinal and row["kind"] == entry.kind]
    known = (instruction_stage(replace(entry, body=body)) for body in bodies)
    return any(item is not None and item[:2] == told[:2] for item in known)


def _index(connection: Connection, ordinal: int, entry: Entry) -> None:
    """Keep the list of runs up to date with what the entries say."""
    if entry.kind == "RunStarted":
        content = entry.content
        values = {name: content[name] for name in ("skid", "recipe", "version", "origin")}
    elif entry.kind == "RunStopped":
        values = {"state": entry.content["state"], "ended": entry.wall}
    else:
        return
    connection.execute(update(run_table).where(run_table.c.ordinal == ordinal).values(**values))


def _remember(connection: Connection, spool: str, position: int) -> None:
    known = update(replayed_table).where(replayed_table.c.spool == spool).values(position=position)
    if connection.execute(known).rowcount == 0:
        connection.execute(insert(replayed_table).values(spool=spool, position=position))
