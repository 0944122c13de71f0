"""Codes of the LRS web service, what follows from each, and texts in both languages. `codes/service_codes.csv`.

Only the rehearsal names an LRS code in Python; `Connection` holds this service's own words. A `service_codes.csv` in the data
root's `reference/` replaces the shipped table, as for return codes (`schemas.codes.return_codes`). `UNKNOWN` is the row for
codes that are not in the table.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from schemas.codes.code_table import load_table
from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.edited_files import Checked, one_of

_FILE = Path(__file__).with_name("service_codes.csv")


class Outcome(StrEnum):
    """What follows from an answer.

    Of a hand-over. TAKEN: the LRS has the batch. NOT_TAKEN: it certainly does not; the code says why. LATER: it certainly
    does not, but will take it at another time. UNKNOWN: it may have it or not. Of a job: UNFINISHED, ANSWERED, FAILED. Of a
    verified ULN: MATCHES, SIMILAR, DIFFERS. OTHER: an answer to something that this service does not ask.
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
    """Outcomes of a call, or of a learner in a call, without a code of the LRS; they are rows of the table too."""

    NOT_MADE = "NOT_MADE"
    NOT_REACHED = "NOT_REACHED"
    NOT_TRUSTED = "NOT_TRUSTED"
    REFUSED = "REFUSED"
    NO_ANSWER = "NO_ANSWER"
    ODD_ANSWER = "ODD_ANSWER"
    LEFT_OUT = "LEFT_OUT"
    UNKNOWN = "UNKNOWN"


class ServiceCode(Checked):
    """A code.

    Attributes:
        stops: Y if the run makes no more calls, because the next call would end in the same way.
        follows: confidence in `outcome` and `stops`: known if this service sees it itself, inferred if it is our reading of
            the code's name. No published text defines what a caller must do after a code.
        source, confidence: of the code's name: known, or restated by others who use the real service (no text by the LRS
            itself was found).
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
    def explanation(self) -> Bilingual:
        """Return the meaning and the action, in both languages."""
        return Bilingual(
            f"{self.label_cy} ({self.code}). {self.action_cy}", f"{self.label_en} ({self.code}). {self.action_en}"
        )

    @property
    def question_explanation(self) -> Bilingual:
        """Return the same for a call that only asks: if its outcome is not known, it is asked again."""
        if self.outcome != Outcome.UNKNOWN:
            return self.explanation
        again = bilingual("fault.lrs_question")
        return Bilingual(f"{self.label_cy} ({self.code}). {again.cy}", f"{self.label_en} ({self.code}). {again.en}")


def service_codes(reference: Path | None = None) -> dict[str, ServiceCode]:
    """Return the codes, by code; a `service_codes.csv` in the folder `reference` replaces the shipped one.

    Raises:
        ConfigurationFault: the table is wrong, or lacks a member of `Connection`.
    """
    return load_table(ServiceCode, _FILE, reference, needed=Connection)


def meaning(code: str, codes: dict[str, ServiceCode]) -> ServiceCode:
    """Return a code's row; the row of UNKNOWN if the code has none."""
    return codes.get(code, codes[Connection.UNKNOWN])
