"""What deployments, their parameters, artifacts and forms are called, as these tests use them: the one place to follow them."""

from tests.crash.acts import ACTS, CYCLE

POOL = "uln"
#: Deployments, as Prefect names them: flow/deployment.
CENSUS, RETURNS, RETRY = "census/january-census", "lrs-returns/lrs-returns", "retry/retry"
#: All that `prefect.yaml` makes.
DEPLOYMENTS = {CENSUS, "census/september-census", RETURNS, RETRY, "abandon/abandon", "release-hold/release-hold"}
DEPLOYMENTS |= {"publish-again/publish-again", "import-export/import-export", "rehearsal/rehearsal", "upkeep/upkeep"}
#: When the acts of the crash harness take place.
CENSUS_AT, RETURNS_AT = (act.command[act.command.index("--as-of") + 1] for act in ACTS[:2])
#: Of each run, without the data root.
CENSUS_PARAMETERS = {"cycle": CYCLE, "as_of": CENSUS_AT}
RETURNS_PARAMETERS = {"as_of": RETURNS_AT}
#: Artifacts that each run makes.
CENSUS_ARTIFACTS = {f"census-2012-01-{page}" for page in ("overview", "authorities", "batches", "rules", "progress")}
RETURNS_ARTIFACTS = {f"lrs-returns-2012-01-{page}" for page in ("overview", "authorities", "batches", "progress")}
#: What people see of them in Prefect's pages.
SEEN_IN_ARTIFACTS = {
    "census-2012-01-overview": ("The cycle so far", "What this run did"),
    "census-2012-01-authorities": ("Wales", "[c] (confidential)"),
    "census-2012-01-rules": ("UPN01",),
}
SEEN_IN_FORMS = {
    CENSUS: ("The cycle; if empty it follows from the kind.", "Only these authorities."),
    RETRY: ("The batch's reference, or the name of its file.", "no pupil's data", "dim data disgyblion"),
}
SEEN_WHERE_A_REASON_LACKS = "'reason' is a required property"
SEEN_WHERE_NO_BATCH_IS = "no-such-batch"
