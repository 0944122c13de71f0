"""Purged cycles: cycles that are over because their pupils were removed."""

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault
from tasks.ledger.standing import purged_cycles


def refuse_purged(data: str, cycle: str) -> None:
    """Stop before a run works on a purged cycle.

    Raises:
        ConfigurationFault: the cycle's pupils were purged.
    """
    purged_on = purged_cycles(data).get(cycle)
    if purged_on is not None:
        raise ConfigurationFault(cycle, [bilingual("fault.cycle_purged", cycle=cycle, day=purged_on)])
