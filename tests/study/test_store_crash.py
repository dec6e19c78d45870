"""No committed change is lost: many writers, kill -9, full disks and damaged files."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from napari_mednext.errors import InputError, StorageError
from napari_mednext.study import CaseState, Study, database, schema
from tests.study.makers import make_study

WRITER = Path(__file__).with_name("writer.py")
CHANGES = 200


@contextmanager
def writing(folder, who, count):
    """A writer process; its lines are read from ``stdout``."""
    repository = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, str(WRITER), str(folder), who, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": repository},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def folder(tmp_path):
    make_study(tmp_path / "study").close()
    return tmp_path / "study"


class TestTogether:
    def test_two_processes_lose_no_change(self, folder):
        with writing(folder, "b", CHANGES) as one, writing(folder, "c", CHANGES) as two:
            assert [p.stdout.read().split()[-1] for p in (one, two)] == ["199", "199"]
            assert (one.wait(), two.wait()) == (0, 0)
        with Study.open(folder) as study:
            (row,) = study.effort()
            assert (row.strokes, row.seconds) == (2 * CHANGES, 2.0 * CHANGES)
            for name in ("b", "c"):
                assert study.case(name).comment == f"change {CHANGES - 1}"

    def test_threads_share_one_study(self, folder):
        with Study.open(folder) as study, Study.open(folder) as window:

            def work(number):
                for i in range(30):
                    (study, window)[number % 2].add_effort("a", strokes=1)
                    study.set_comment("b", f"{number} {i}")
                    assert len(window.cases()) == 3

            with ThreadPoolExecutor(4) as threads:
                list(threads.map(work, range(4)))
            assert study.effort()[0].strokes == 4 * 30
            # What one window changes, the other sees at once.
            study.set_state("c", CaseState.ACCEPTED)
            assert window.case("c").state == CaseState.ACCEPTED

    def test_codes_and_names_are_given_once(self, folder):
        with Study.open(folder) as one, Study.open(folder) as two:
            assert one.model_code("m", "1") == two.model_code("m", "1") == 2
            assert two.model_code("n", "1") == one.model_code("n", "1") == 3


@pytest.mark.slow
def test_kill_at_any_moment_keeps_what_was_committed(folder):
    rng = np.random.default_rng(5)
    strokes = 0
    for _ in range(10):
        with writing(folder, "b", 10_000) as process:
            assert process.stdout.readline() == "open\n"
            for _ in range(int(rng.integers(1, 40))):
                line = process.stdout.readline()
            # A moment somewhere inside the next change, found without a clock.
            for _ in range(int(rng.integers(0, 20_000))):
                pass
            os.kill(process.pid, signal.SIGKILL)
            said = int((process.stdout.read().split() or [line])[-1])
            process.wait()
        with Study.open(folder) as study:
            (row,) = study.effort()
            done = int(study.case("b").comment.split()[-1])
            # The last change may have been committed and not yet said.
            assert done in (said, said + 1)
            assert row.strokes - strokes in (done + 1, done + 2)
            assert row.seconds == row.strokes
            strokes = row.strokes
            assert [case.name for case in study.cases()] == ["a", "b", "c"]


class TestRefusedWrites:
    def test_full_disk(self, folder):
        with Study.open(folder) as study:
            before = study.case("a")
            connection = study._database._connection
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
            with pytest.raises(StorageError, match=r"the disk is full.*make room and"):
                study.set_comment("a", "x" * 100_000)
            assert study.case("a") == before
            connection.execute("PRAGMA max_page_count = 1000000")
            assert len(study.set_comment("a", "x" * 100_000).comment) == 100_000

    def test_read_only(self, folder):
        with Study.open(folder) as study:
            labels = study.labels
            connection = study._database._connection
            connection.execute("PRAGMA query_only = 1")
            for change in (
                lambda: study.set_state("a", CaseState.ACCEPTED),
                lambda: study.add_label("x"),
                lambda: study.model_code("m", "1"),
            ):
                with pytest.raises(StorageError, match=r"cannot be written to.*check"):
                    change()
            assert study.counts()[CaseState.NEW] == 3
            assert (study.labels, study.models()) == (labels, ())
            connection.execute("PRAGMA query_only = 0")
            assert study.set_state("a", CaseState.ACCEPTED).state == "accepted"

    def test_a_folder_that_cannot_be_opened_for_writing(self, folder, monkeypatch):
        def refuse(*args, **kwargs):
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error

        monkeypatch.setattr(database.sqlite3, "connect", refuse)
        with pytest.raises(StorageError, match="its folder cannot be opened for writ"):
            Study.open(folder)
        with pytest.raises(StorageError, match="its folder cannot be opened for writ"):
            make_study(folder.with_name("other"))
        monkeypatch.undo()
        Study.open(folder).close()
        make_study(folder.with_name("other")).close()

    def test_a_writer_that_never_ends(self, folder, monkeypatch):
        monkeypatch.setattr(database, "BUSY_S", 0.05)
        with Study.open(folder) as study, Study.open(folder) as window:
            with (
                window._database.change(),
                pytest.raises(StorageError, match="another window is writing for too"),
            ):
                study.set_comment("a", "x")
            assert study.set_comment("a", "x").comment == "x"

    def test_dataset_json_fails_with_its_change(self, folder, monkeypatch):
        with Study.open(folder) as study:
            document = study.folder.dataset.read_text()

            def refuse(*args, **kwargs):
                raise OSError(28, "No space left on device")

            monkeypatch.setattr(os, "fsync", refuse)
            with pytest.raises(StorageError, match=r"'dataset.json' could not be writ"):
                study.add_label("tumour")
            assert study.labels.names == {2: "liver", 9: "spleen"}
            assert study.folder.dataset.read_text() == document
            monkeypatch.undo()
            study.add_label("tumour")
            assert '"tumour": 3' in study.folder.dataset.read_text()
            assert not list(folder.glob(".saving-*"))

    def test_a_failing_block_changes_nothing(self, folder):
        with Study.open(folder) as study:

            def fail():
                with study._database.change() as rows:
                    rows.execute("DELETE FROM cases")
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                fail()
            assert len(study.cases()) == 3
            # Our own mistakes are not dressed up as those of the disk.
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                study._database.rows("SELECT * FROM absent")

    def test_closed(self, folder):
        study = Study.open(folder)
        study.close()
        study.close()
        with pytest.raises(StorageError, match="'study' was closed: open it again"):
            study.cases()
        with pytest.raises(StorageError, match="'study' was closed: open it again"):
            study.set_comment("a", "x")


def damage(path):
    """Overwrite the middle of every page but the first."""
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 200] = b"\xff" * 200
    path.write_bytes(content)


class TestDamage:
    @pytest.mark.parametrize("kind", ["not a database", "torn", "empty pages"])
    def test_the_backup_brings_it_back(self, folder, kind):
        with Study.open(folder) as study:
            study.set_comment("a", "kept")
        file = folder / "study.sqlite"
        if kind == "not a database":
            file.write_bytes(b"not a database" * 1000)
        elif kind == "torn":
            file.write_bytes(file.read_bytes()[: 3 * 4096])
        else:
            damage(file)
        broken = file.read_bytes()
        # What the writer of a damaged file left must not be played into the copy.
        (folder / "study.sqlite-wal").write_bytes(b"stale")
        with pytest.raises(StorageError, match=r"must be a whole database.*with Study"):
            Study.open(folder)
        with Study.restore(folder) as study:
            assert study.case("a").comment == "kept"
        assert (folder / "study.sqlite.damaged").read_bytes() == broken

    def test_the_sentence_says_how_by_hand(self, folder):
        (folder / "study.sqlite").write_bytes(b"x" * 5000)
        with pytest.raises(StorageError) as caught:
            Study.open(folder)
        for name in re.findall(r"deleting '(.*?)', '(.*?)' and '(.*?)'", str(caught))[
            0
        ]:
            (folder / name).unlink(missing_ok=True)
        (folder / "study.sqlite.backup").rename(folder / "study.sqlite")
        with Study.open(folder) as study:
            assert len(study.cases()) == 3

    def test_a_missing_database(self, folder):
        (folder / "study.sqlite").unlink()
        with pytest.raises(InputError, match=r"restore it from 'study.sqlite.backup'"):
            Study.open(folder)
        with Study.restore(folder) as study:
            assert len(study.cases()) == 3

    def test_a_damaged_database_is_not_backed_up(self, folder, caplog):
        good = (folder / "study.sqlite.backup").read_bytes()
        study = Study.open(folder)
        study._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        study._database._connection.execute("PRAGMA shrink_memory")  # forget pages
        damage(folder / "study.sqlite")
        with pytest.raises(StorageError, match="must be a whole database"):
            study.back_up()
        study.close()
        assert "must be a whole database" in caplog.text
        assert len((folder / "study.sqlite.backup").read_bytes()) == len(good)
        with Study.restore(folder) as study:
            assert len(study.cases()) == 3

    def test_a_new_study_is_not_played_into_by_an_old_log(self, tmp_path, folder):
        with Study.open(folder) as study:
            study.set_comment("a", "old")
            log = (folder / "study.sqlite-wal").read_bytes()
        new = tmp_path / "new"
        new.mkdir()
        (new / "study.sqlite-wal").write_bytes(log)
        with make_study(new, names=("x",)) as study:
            assert [case.name for case in study.cases()] == ["x"]

    def test_nothing_to_restore(self, folder):
        (folder / "study.sqlite.backup").unlink()
        with pytest.raises(InputError, match="must have a backup to be restored from"):
            Study.restore(folder)
        (folder / "study.sqlite").write_bytes(b"x" * 5000)
        with pytest.raises(StorageError, match="make the study again from its images"):
            Study.open(folder)

    def test_a_damaged_backup_is_not_put_in_place(self, folder):
        before = (folder / "study.sqlite").read_bytes()
        damage(folder / "study.sqlite.backup")
        with pytest.raises(StorageError, match="must be a whole database"):
            Study.restore(folder)
        assert (folder / "study.sqlite").read_bytes() == before

    def test_a_backup_that_cannot_be_moved(self, folder, monkeypatch):
        def refuse(self, target):
            raise PermissionError(13, "it is used by another process")

        monkeypatch.setattr(Path, "replace", refuse)
        with pytest.raises(
            StorageError, match=r"could not be written.*used by another"
        ):
            Study.restore(folder)

    def test_the_backup_is_one_whole_file(self, folder):
        with Study.open(folder) as study:
            study.set_comment("a", "x")
            study.back_up()
            with closing(sqlite3.connect(folder / "study.sqlite.backup")) as copy:
                row = copy.execute("SELECT comment FROM cases WHERE name = 'a'")
                assert row.fetchone() == ("x",)
                assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert not list(folder.glob("study.sqlite.backup-*"))


class TestSchema:
    def set_schema(self, folder, number):
        with closing(sqlite3.connect(folder / "study.sqlite")) as connection:
            connection.execute(f"PRAGMA user_version = {number}")

    def test_newer_is_refused(self, folder):
        self.set_schema(folder, schema.SCHEMA + 1)
        with pytest.raises(InputError, match="schema 1 or older, got 2: update napari"):
            Study.open(folder)

    def test_a_database_of_something_else(self, folder):
        self.set_schema(folder, 0)
        with pytest.raises(InputError, match="a schema that this version knows, got 0"):
            Study.open(folder)

    def test_older_is_migrated_step_by_step_after_a_backup(self, folder, monkeypatch):
        def add_room(connection):
            connection.execute("ALTER TABLE cases ADD COLUMN room TEXT DEFAULT 'r'")

        def name_room(connection):
            connection.execute("UPDATE cases SET room = room || name")

        monkeypatch.setattr(
            schema, "MIGRATIONS", MappingProxyType({1: add_room, 2: name_room})
        )
        for module in (schema, database):
            monkeypatch.setattr(module, "SCHEMA", 3)
        with Study.open(folder) as study:
            rows = study._database.rows("SELECT room FROM cases ORDER BY id")
            assert [row["room"] for row in rows] == ["ra", "rb", "rc"]
            assert study._database.rows("PRAGMA user_version")[0][0] == 3
            with closing(sqlite3.connect(folder / "study.sqlite.backup")) as copy:
                assert copy.execute("PRAGMA user_version").fetchone() == (1,)
        Study.open(folder).close()

    def test_a_migration_that_fails_leaves_the_older(self, folder, monkeypatch):
        def fail(connection):
            connection.execute("DELETE FROM cases")
            raise ZeroDivisionError

        monkeypatch.setattr(schema, "MIGRATIONS", MappingProxyType({1: fail}))
        for module in (schema, database):
            monkeypatch.setattr(module, "SCHEMA", 2)
        with pytest.raises(ZeroDivisionError):
            Study.open(folder)
        monkeypatch.undo()
        with Study.open(folder) as study:
            assert len(study.cases()) == 3
