"""A file is told once, when it is whole: as rounds pass in which it grows, rests, comes again or goes."""

from tasks.core.arrivals import Pause, Waiting, after_pause, after_round, arrivals_to_announce


def rounds(*seen, most=100):
    """What is told in each round; a round is the files touched in it and the stamps of all that are there."""
    now, told = Waiting(), []
    for touched, stamps in seen:
        now = after_round(now, set(touched), {p: s for p, s in stamps.items() if p in touched or p in now.growing})
        told.append(sorted(arrivals_to_announce(now, most)))
        if told[-1]:
            now = Waiting(now.growing)
    return told


def test_a_file_that_grows_is_told_once_it_rests():
    assert rounds(("a", {"a": (1, 1)}), ("a", {"a": (2, 2)}), ("", {"a": (2, 2)}), ("", {"a": (2, 2)})) == [
        [],
        [],
        ["a"],
        [],
    ]


def test_one_that_is_touched_or_has_changed_unseen_is_not_whole():
    assert rounds(("a", {"a": (1, 1)}), ("a", {"a": (1, 1)})) == [[], []]
    assert rounds(("a", {"a": (1, 1)}), ("", {"a": (2, 1)}), ("", {"a": (2, 1)})) == [[], [], ["a"]]


def test_one_that_goes_is_not_told():
    assert rounds(("a", {"a": (1, 1)}), ("a", {}), ("", {})) == [[], [], []]


def test_those_that_come_together_are_told_together():
    assert rounds(("ab", {"a": (1, 1), "b": (1, 1)}), ("b", {"a": (1, 1), "b": (2, 2)}), ("", {"b": (2, 2)})) == [
        [],
        [],
        ["a", "b"],
    ]


def test_a_stream_that_never_ends_does_not_keep_the_first_ones_waiting():
    found = rounds(("a", {"a": (1, 1)}), *((["b"], {"a": (1, 1), "b": (n, n)}) for n in range(1, 10)), most=3)
    assert [n for n, told in enumerate(found) if told] == [3] and found[3] == ["a"]


def test_one_that_comes_again_is_told_again():
    once = [("a", {"a": (1, 1)}), ("", {"a": (1, 1)})]
    assert rounds(*once, ("a", {"a": (2, 2)}), ("", {"a": (2, 2)})) == [[], ["a"], [], ["a"]]


def test_however_many_come_an_inbox_is_told_of_only_so_often_and_of_all_of_them():
    now, told = Pause(), []
    for n in range(12):
        now, these = after_pause(now, {f"file {n}"}, 5)
        told.append(sorted(these))
    assert [n for n, these in enumerate(told) if these] == [0, 5, 10]
    assert sorted(one for these in told for one in these) == sorted(f"file {n}" for n in range(11)), (
        "none is told twice, or lost"
    )


def test_after_a_quiet_time_the_next_file_is_told_at_once():
    now, _ = after_pause(Pause(), {"a"}, 3)
    for _ in range(4):
        now, these = after_pause(now, frozenset(), 3)
        assert not these
    assert after_pause(now, {"b"}, 3)[1] == {"b"}
