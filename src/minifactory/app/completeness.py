"""After a run: whether everything of it reached the historian, and what to do when it did not."""

from __future__ import annotations

from minifactory.errors import EnvironmentFault, Finding
from minifactory.historian import Writer


def refuse_incomplete(writer: Writer, place: str) -> None:
    """Return when `writer`, which is closed, has stored all that was offered to it at `place`.

    Raises
    ------
    EnvironmentFault
        Part of the record waits in the spool (the next run on the same folder takes it in) or is lost.
    """
    status = writer.status
    lost, waiting = status.held, status.spooled
    if not lost and not waiting:
        return
    parts = [f"{lost} entries of the record could be kept nowhere and are lost"] if lost else []
    parts += [f"{waiting} entries of the record wait in the spool"] if waiting else []
    why = f" ({status.message.strip().splitlines()[0]})" if status.message.strip() else ""
    remedy = (
        "Make room, or see to the database. The next run on this folder takes in what waits in the spool."
    )
    raise EnvironmentFault(
        Finding(place, "; ".join(parts) + why, "a database and a disk that take the whole record", remedy)
    )
