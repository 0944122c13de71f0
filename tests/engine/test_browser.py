"""What people see in Prefect's pages, in a real browser."""

import pytest

from tests.engine import names
from tests.engine.browser import pages
from tests.engine.processes import NotInstalled, waited


@pytest.fixture(scope="module")
def window(api, undisturbed):
    """A window on the server, whose user has given the word; fails, and skips nothing, where Chromium is not installed."""
    assert undisturbed.returns, "there are runs to look at"
    try:
        with pages(api.address) as found:
            yield found
    except NotInstalled as missing:
        pytest.fail(str(missing))


def test_the_run_page_shows_its_state_its_stages_and_what_they_counted(window, undisturbed):
    window.open(f"/runs/flow-run/{undisturbed.census}", "census 2012-01", "Completed", "january-census", "receive: 660")
    window.turn_to("Task Runs", "8 Task runs", "receive 2012-01", "release 2012-01", "conserve 2012-01")
    window.turn_to("Parameters", names.CENSUS_AT)


@pytest.mark.parametrize("key", sorted(names.SEEN_IN_ARTIFACTS))
def test_the_artifacts_stand_on_the_run_page_and_can_be_opened(window, undisturbed, key):
    window.open(f"/runs/flow-run/{undisturbed.census}", "Completed")
    window.turn_to("Artifacts", key)
    window.page.get_by_text(key, exact=True).locator("visible=true").first.click()
    window.page.wait_for_url("**/artifacts/artifact/**")
    window.see(key, *names.SEEN_IN_ARTIFACTS[key])


@pytest.mark.parametrize("deployment", sorted(names.SEEN_IN_FORMS))
def test_a_custom_run_has_a_form_that_explains_its_parameters(window, api, deployment):
    window.open(f"/deployments/deployment/{api.deployment(deployment)['id']}/run", *names.SEEN_IN_FORMS[deployment])


def test_a_form_without_a_reason_starts_nothing_and_with_one_the_run_ends_in_a_sentence(
    window, api, worked, undisturbed
):
    deployment = api.deployment(names.RETRY)["id"]
    window.open(f"/deployments/deployment/{deployment}/run", "Submit")
    assert window.page.locator("textarea").count() == len(("ref", "reason", "as_of", "data")), "none asks for its type"
    before = {run["id"] for run in api.runs_of(deployment)}
    ref, reason = (window.page.locator("textarea").nth(n) for n in range(2))
    ref.fill("no-such-batch")
    window.page.get_by_role("button", name="Submit").click()
    window.see(names.SEEN_WHERE_A_REASON_LACKS)
    assert {run["id"] for run in api.runs_of(deployment)} == before
    reason.fill("to see what it says")
    worked[0](ULN_DATA=str(undisturbed.root))
    window.page.get_by_role("button", name="Submit").click()
    (run,) = waited("the form starts a run", lambda: {run["id"] for run in api.runs_of(deployment)} - before)
    assert api.over(run)["state"]["name"] == "Failed"
    window.open(f"/runs/flow-run/{run}", "Failed", names.SEEN_WHERE_NO_BATCH_IS)


def test_the_pages_asked_nobody_but_their_own_server(window):
    window.open("/dashboard", "Flow Runs")
    assert window.elsewhere == []
