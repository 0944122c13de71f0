"""How the schools of a cycle are cut for the workers."""

from dataclasses import dataclass
from typing import Any

from tasks.runtime.context import Ground
from tasks.runtime.executor import parts

#: All Wales is one lot; of a larger country an authority of that size is.
LOT_RECORDS = 250_000


#: What a worker does at a time: half of Wales, and no more of a larger country, that its workers need no more memory.
PORTION_RECORDS = 110_000


@dataclass(frozen=True)
class Portion:
    """Some schools of a cycle.

    Attributes:
        las: their authorities.
        schools: their numbers; None where they are all schools of these authorities.
    """

    las: tuple[str, ...]
    schools: tuple[str, ...] | None = None

    @property
    def where(self) -> dict[str, Any]:
        """The portion as conditions on a table of the lake."""
        of_las = {"la_code": list(self.las)}
        return of_las if self.schools is None else {**of_las, "school_number": list(self.schools)}


@dataclass(frozen=True)
class Lot:
    """Some authorities, and how many records each of their schools has sent in the cycle, in order of school number."""

    las: tuple[str, ...]
    sizes: dict[str, int]

    @property
    def where(self) -> dict[str, Any]:
        """The lot as conditions on a table of the lake."""
        return {"la_code": list(self.las)}

    def portions(self, count: int) -> list[Portion]:
        """Cut the schools into portions of about as many records each.

        Args:
            count: how many; so many times as many that none has much more than PORTION_RECORDS, and fewer where there
                are few schools.
        """
        total, passed = sum(self.sizes.values()), 0
        count *= max(1, -(-total // (count * PORTION_RECORDS)))
        cut: list[list[str]] = [[] for _ in range(count)]
        for school, records in self.sizes.items():
            # A school goes where its middle falls.
            cut[min(count - 1, int((passed + records / 2) * count / max(total, 1)))].append(school)
            passed += records
        return [self._portion(schools) for schools in cut if schools]

    def _portion(self, schools: list[str]) -> Portion:
        las = tuple(sorted({s[:3] for s in schools}))
        whole = len(schools) == sum(school[:3] in las for school in self.sizes)
        return Portion(las, None if whole else tuple(schools))


def lots(ground: Ground, las: list[str], most: int | None = None) -> list[Lot]:
    """Cut a walk over authorities into lots, in the given order.

    Args:
        ground: whose lake says how many records were received.
        las: authority codes.
        most: records in a lot, unless a single authority has more; LOT_RECORDS where None.
    """
    most = LOT_RECORDS if most is None else most
    sizes = records_by_school(ground, las)
    found: list[tuple[list[str], int]] = []
    for la in las:
        records = sum(n for school, n in sizes.items() if school[:3] == la)
        if found and found[-1][1] + records <= most:
            found[-1] = ([*found[-1][0], la], found[-1][1] + records)
        else:
            found.append(([la], records))
    return [Lot(tuple(own), {s: n for s, n in sizes.items() if s[:3] in own}) for own, _ in found]


def all_portions(ground: Ground, las: list[str] | None = None) -> list[Portion]:
    """Every school of a cycle, or of some authorities in it, for work whose results are small."""
    las = sorted({school[:3] for school in records_by_school(ground, las)})
    return [portion for lot in lots(ground, las) for portion in lot.portions(parts())]


def records_by_school(ground: Ground, las: list[str] | None = None) -> dict[str, int]:
    """How many records each school has sent in the cycle, in all its returns; in order of school number."""
    where: dict[str, Any] = {"cycle": ground.cycle.id} | ({} if las is None else {"la_code": las})
    received = ground.lake.read("received", ["school_number", "kind", "status", "declared"], **where)
    accepted = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    records = accepted.groupby("school_number", sort=True)["declared"].sum()
    return {str(school): int(n) for school, n in records.items()}
