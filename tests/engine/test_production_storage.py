"""Prefect on PostgreSQL: what it keeps stands there alone, and names nobody."""

from tests.engine.people import known_in, named_in
from tests.engine.processes import dumped


def test_what_prefect_keeps_stands_in_postgresql_alone_and_names_nobody(service, undisturbed):
    kept = dumped(service.database)
    assert undisturbed.census in kept and undisturbed.returns in kept
    assert "census-2012-01-overview" in kept and "receive 2012-01" in kept, "artifacts and task runs are searched too"
    assert not list(service.home.rglob("*.db")), "no database of Prefect's own beside it"
    people = known_in(undisturbed.root)
    assert len(people) > 300 and named_in(kept, people) == []
    assert named_in(kept + sorted(people)[7], people) == [7], "the search sees"
