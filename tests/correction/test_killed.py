"""A session that is killed loses nothing; see ``benchmarks.kill_editing``.

The sessions are real: napari's layer, the journal's thread, saves, the database.
"""

import copy
import os
import time

import pytest

from benchmarks.kill_editing import campaign as campaign_module
from benchmarks.kill_editing.campaign import campaign, summarise
from benchmarks.kill_editing.checking import examine
from benchmarks.kill_editing.folder import CASE
from benchmarks.kill_editing.known import LossError
from napari_mednext.correction.records import scan

KILLS = 8

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the sessions are forked"),
]


def test_only_the_step_in_hand_is_lost(tmp_path, monkeypatch):
    """And if one more were missing, that would be found."""
    examined = []

    def noting(*args, **options):
        known = copy.deepcopy(args[2])
        examined.append((args[0], args[1], known, options))
        return examine(*args, **options)

    monkeypatch.setattr(campaign_module, "examine", noting)
    autopsies = campaign(tmp_path, kills=KILLS, seed=3, longest_s=1.0)
    assert len(autopsies) == len(examined) == KILLS
    assert sum(autopsy.walked for autopsy in autopsies) > 0
    assert summarise(autopsies)["delay until on disk, worst ms"] < 1000

    folder, diary, known, options = examined[-1]
    journal = folder / "study" / "journal" / f"{CASE}.journal"
    steps = [r for r in scan(journal)[0] if r.head["kind"] == "edit"]
    os.truncate(journal, steps[-1].start)
    later_s = time.monotonic() + 1.0
    with pytest.raises(LossError, match=r"a step is lost|the case is"):
        examine(folder, diary, known, later_s, **options)
