from napari_mednext.training.tuning.pace import Pace


def paced(first, moments):
    times = iter(moments)
    pace = Pace(first, lambda: next(times))
    for _ in moments:
        pace.note()
    return pace


def test_before_there_are_updates_what_was_measured_counts():
    assert paced(0.5, [0, 9, 18]).seconds_for(10) == 5.0
    assert paced(0.0, [0, 9, 18]).seconds_for(10) is None


def test_a_pause_among_updates_does_not_count():
    assert paced(0.5, [0, 2, 4, 604, 606, 608]).seconds_for(3) == 6.0


def test_a_machine_that_becomes_slow_is_believed_after_a_while():
    fast = [0.0 + n for n in range(40)]
    slow = [39.0 + 3 * n for n in range(1, 12)]
    assert paced(1.0, fast).seconds_for(1) == 1.0
    assert paced(1.0, fast + slow).seconds_for(1) == 3.0
