"""The tables of the historian, the same on SQLite and PostgreSQL.

``run`` is an index of what the entries say; ``entry`` is the record itself, append-only, one line per
document and one per packed segment of samples; ``replayed`` remembers how far a spool file has been taken
in.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

VERSION = 1

metadata = MetaData()

run_table = Table(
    "run",
    metadata,
    Column("ordinal", Integer, primary_key=True, autoincrement=True),
    Column("identifier", String(200), nullable=False, unique=True),
    Column("opened", String(40), nullable=False),
    Column("genesis", String(64), nullable=False),
    Column("skid", String(200), nullable=False, default=""),
    Column("recipe", String(200), nullable=False, default=""),
    Column("version", String(80), nullable=False, default=""),
    Column("origin", String(40), nullable=False, default=""),
    Column("state", String(40), nullable=False, default=""),
    Column("ended", String(40), nullable=False, default=""),
    sqlite_autoincrement=True,
)

entry_table = Table(
    "entry",
    metadata,
    Column("run", Integer, ForeignKey("run.ordinal"), primary_key=True),
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("time", Double, nullable=False),
    Column("wall", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Column("blob", LargeBinary),
    Column("hash", String(64), nullable=False),
    sqlite_with_rowid=True,
)

Index("entry_by_kind", entry_table.c.run, entry_table.c.kind, entry_table.c.time)

replayed_table = Table(
    "replayed",
    metadata,
    Column("spool", String(80), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

schema_table = Table("schema_version", metadata, Column("version", Integer, primary_key=True))


def guards(dialect: str) -> tuple[str, ...]:
    """The statements that make a database of `dialect` refuse changes and deletions of entries."""
    if dialect == "sqlite":
        body = "BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END"
        return tuple(
            f"CREATE TRIGGER IF NOT EXISTS entry_no_{verb.lower()} BEFORE {verb} ON entry {body}"
            for verb in ("UPDATE", "DELETE")
        )
    if dialect == "postgresql":
        body = "$$ BEGIN RAISE EXCEPTION 'the record is append-only'; END; $$ LANGUAGE plpgsql"
        function = "minifactory_append_only()"
        when = "BEFORE UPDATE OR DELETE OR TRUNCATE ON entry"
        return (
            f"CREATE OR REPLACE FUNCTION {function} RETURNS trigger AS {body}",
            "DROP TRIGGER IF EXISTS entry_append_only ON entry",
            f"CREATE TRIGGER entry_append_only {when} EXECUTE FUNCTION {function}",
        )
    return ()
