"""What a file cannot tell: the open question, the default that stands in, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OpenQuestion:
    """Something that the file does not tell.

    Parameters
    ----------
    about : str
        What, as a path or a name in the generated files.
    question : str
        What a person must answer.
    default : str
        What the generated case takes until then.
    reason : str
        Why this default.
    """

    about: str
    question: str
    default: str
    reason: str = ""

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.about}: {self.question} Taken: {self.default}{why}."
