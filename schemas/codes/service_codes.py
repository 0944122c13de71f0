"""What the LRS's web service may answer: its codes, what follows from each, texts in both languages. `lrs/service_codes.csv`.

No code stands anywhere else in the program, but the service's own words for a connection here. A `service_codes.csv` in
the data root's `reference/` replaces the shipped table, as one of return codes does (`schemas.codes.return_codes`). `UNKNOWN`
speaks for any code that is not in the table.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from schemas.codes.code_table import load_table
from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.edited_files import Checked, one_of

_FILE = Path(__file__).with_name("service_codes.csv")


class Outcome(StrEnum):
    """What follows from an answer.

    TAKEN: the LRS has the batch. NOT_TAKEN: it surely has not, and says what is wrong. LATER: it surely has not, and will
    take it at another hour. UNKNOWN: nobody knows. UNFINISHED, ANSWERED, FAILED: of a job. MATCHES, SIMILAR, DIFFERS: of a
    ULN that was verified. OTHER: an answer to what this service does not ask.
    """

    TAKEN = "taken"
    NOT_TAKEN = "not_taken"
    LATER = "later"
    UNKNOWN = "unknown"
    UNFINISHED = "unfinished"
    ANSWERED = "answered"
    FAILED = "failed"
    MATCHES = "matches"
    SIMILAR = "similar"
    DIFFERS = "differs"
    OTHER = "other"


class Connection(StrEnum):
    """What became of a call, or of a learner in one, to which the LRS gave no code; rows of the table, too."""

    NOT_MADE = "NOT_MADE"
    NOT_REACHED = "NOT_REACHED"
    NOT_TRUSTED = "NOT_TRUSTED"
    REFUSED = "REFUSED"
    NO_ANSWER = "NO_ANSWER"
    ODD_ANSWER = "ODD_ANSWER"
    LEFT_OUT = "LEFT_OUT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class ServiceCode(Checked):
    """One code.

    Attributes:
        stops: Y where nothing more is called in the same run: the next call would meet the same.
        follows: how sure `outcome` and `stops` are: known where this service sees it itself, inferred where it is our own
            reading of what the code is called. No published text says what a caller has to do after a code.
        source, confidence: of what the code is called: known, or restated by others who talk to the real service (no text of
            the LRS itself was found).
    """

    code: str
    kind: Literal["result", "error", "verified", "connection"]
    outcome: Annotated[str, one_of(Outcome)]
    stops: Literal["Y", "N"]
    follows: Literal["known", "inferred"]
    label_en: str
    label_cy: str
    action_en: str
    action_cy: str
    source: str
    confidence: Literal["known", "restated", "unknown"]

    @property
    def told(self) -> Bilingual:
        """What it means and what to do, in both languages."""
        return Bilingual(
            f"{self.label_cy} ({self.code}). {self.action_cy}", f"{self.label_en} ({self.code}). {self.action_en}"
        )

    @property
    def told_of_question(self) -> Bilingual:
        """The same of a call that asks and hands nothing over: where nobody knows what became of it, it is asked again."""
        if self.outcome != Outcome.UNKNOWN:
            return self.told
        again = bilingual("fault.lrs_question")
        return Bilingual(f"{self.label_cy} ({self.code}). {again.cy}", f"{self.label_en} ({self.code}). {again.en}")


def service_codes(reference: Path | None = None) -> dict[str, ServiceCode]:
    """The codes, by code.

    Args:
        reference: a folder whose `service_codes.csv`, if there is one, takes the shipped one's place.

    Raises:
        ConfigurationFault: the table is wrong, or lacks one of `Connection`.
    """
    own = reference / "service_codes.csv" if reference is not None else _FILE
    path = own if own.exists() else _FILE
    return _load(path, path.stat().st_mtime_ns)


@cache
def _load(path: Path, _changed: int) -> dict[str, ServiceCode]:
    return load_table(ServiceCode, path, own=path != _FILE, needed=Connection)


def meaning(code: str, codes: dict[str, ServiceCode]) -> ServiceCode:
    """A code's row; that of UNKNOWN for one that stands in no row."""
    return codes.get(code, codes[Connection.UNKNOWN])
