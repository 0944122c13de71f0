"""Small Waleses for the tests."""

from schemas.cycles import cycle_by_id
from tasks.io.data_root.reference import schools as register
from tasks.rehearsal.synthetic_wales import plan_wales

CHANGES = {"mover", "new-name", "moved-house", "upn-made-permanent"}
#: Whom the school writes otherwise than the LRS knows them: sound for the service, and sent.
LIKE_ANOTHER = {"names-swapped", "short-name", "dob-slip", "namesake"}


def three_schools():
    schools = register()
    secondary = schools[schools["sector_en"] == "Secondary"]
    # Of three authorities, as a rehearsal of three takes them: nothing may hang on two being neighbours.
    return secondary.iloc[:: len(secondary) // 3].head(3).reset_index(drop=True)


def plan(cycle="2012-01", seed=7, schools=None, size=80):
    return plan_wales(three_schools() if schools is None else schools, cycle_by_id(cycle), seed, size)


def whole_wales():
    schools = register()
    return schools[schools["sector_en"].isin(["Secondary", "Middle", "Special"])].reset_index(drop=True)
