import errno

import pytest
import torch

from napari_mednext.errors import ModelError, StorageError
from napari_mednext.training.schedule import Schedule
from napari_mednext.training.tuning import checkpoints
from napari_mednext.training.tuning import run as run_module
from napari_mednext.training.tuning.losses import Objective
from napari_mednext.training.tuning.parts import freeze_all_but
from napari_mednext.training.tuning.run import Ending
from napari_mednext.training.tuning.tuner import Tuner
from napari_mednext.training.tuning.watching import Watch
from tests.training.tuning.toy import CLASSES, CPU, Listener, draw, run, student, tuner


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights of a training that nothing disturbed."""
    torch.set_num_threads(1)  # as for each test; sums depend on it
    path = tmp_path_factory.mktemp("whole") / "final.pt"
    training = run(path)
    assert training.run() is Ending.DONE
    return training.weights()


class Killed(BaseException):
    """Ends a training at once."""


@pytest.mark.parametrize(
    "at", [5, *(pytest.param(at, marks=pytest.mark.slow) for at in (1, 11))]
)
def test_a_killed_training_ends_with_the_same_weights(tmp_path, monkeypatch, whole, at):
    monkeypatch.setattr(run_module, "_SAVE_S", 0.0)
    monkeypatch.setattr(run_module, "_SAVE_SHARE", 1e9)

    def deadly(step):
        if step == at:
            raise Killed
        return draw(step)

    with pytest.raises(Killed):
        run(tmp_path / "final.pt", draw=deadly).run()
    again = run(tmp_path / "final.pt")
    assert again.run() is Ending.DONE
    assert same(again.weights(), whole)


def test_a_training_that_is_done_is_not_done_again(tmp_path, whole):
    run(tmp_path / "final.pt").run()
    listener = Listener()
    again = run(tmp_path / "final.pt", listener)
    assert again.run() is Ending.DONE
    assert listener.events == []
    assert same(again.weights(), whole)


@pytest.mark.slow
def test_it_learns(tmp_path):
    listener = Listener()
    made = tuner(steps=60, weight=0.0, rate=2e-2)
    run(tmp_path / "final.pt", listener, made=made).run()
    losses = [e["loss"] for e in listener.events if e["event"] == "step"]
    assert losses[-1] < 0.6 * losses[0]


def test_what_is_stopped_keeps_what_it_learned(tmp_path):
    stopped = run(tmp_path / "final.pt", Listener(stop_at=4))
    assert stopped.run() is Ending.STOPPED
    four = tuner()
    for step in range(4):
        four.update(draw(step))
    assert same(stopped.weights(), four.weights())


def test_only_the_part_that_shall_learn_is_changed():
    for part, beginnings in (("decoder", ("up_", "dec_", "out_")), ("head", ("out_",))):
        made = tuner(part=part)
        before = {k: v.clone() for k, v in made.network.state_dict().items()}
        for step in range(2):
            made.update(draw(step))
        after = made.network.state_dict()
        changed = {
            name for name in before if not torch.equal(before[name], after[name])
        }
        assert changed == {name for name in before if name.startswith(beginnings)}


def test_a_network_without_such_a_part_is_refused():
    with pytest.raises(ModelError, match="must have a decoder"):
        freeze_all_but(torch.nn.Linear(2, 2), "decoder")


def test_without_a_mean_the_last_weights_are_kept(tmp_path):
    made = tuner(ema=0.0)
    run(tmp_path / "final.pt", made=made).run()
    assert same(dict(made.mean.state_dict()), dict(made.network.state_dict()))


def test_a_loss_that_is_not_finite_goes_back_to_the_last_good_state(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(run_module, "_SAVE_S", 0.0)
    monkeypatch.setattr(run_module, "_SAVE_SHARE", 1e9)

    def poisoned(step):
        batch = draw(step)
        return batch._replace(image=batch.image * float("nan")) if step == 7 else batch

    listener = Listener()
    training = run(tmp_path / "final.pt", listener, draw=poisoned)
    assert training.run() is Ending.STOPPED
    seven = tuner()
    for step in range(7):
        seven.update(draw(step))
    assert same(training.weights(), seven.weights())
    assert "the last good state, of step 7, is kept" in listener.events[-1]["note"]


def test_a_loss_that_was_never_finite_is_an_error(tmp_path):
    def poisoned(step):
        batch = draw(step)
        return batch._replace(image=batch.image * float("nan"))

    with pytest.raises(ModelError, match="lower the learning rate"):
        run(tmp_path / "final.pt", draw=poisoned).run()


@pytest.mark.slow
def test_a_full_disk_stops_nothing_until_the_end(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(run_module, "_SAVE_S", 0.0)
    monkeypatch.setattr(run_module, "_SAVE_SHARE", 1e9)
    real, full = checkpoints.os.fsync, [True]

    def fsync(file):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    monkeypatch.setattr(checkpoints.os, "fsync", fsync)
    listener = Listener()
    with pytest.raises(StorageError, match="make room, then resume"):
        run(tmp_path / "final.pt", listener).run()
    assert listener.kinds().count("warning") > 3
    assert list(tmp_path.iterdir()) == []
    full[0] = False
    again = run(tmp_path / "final.pt")
    again.run()
    assert same(again.weights(), whole)


def test_a_damaged_checkpoint_is_told(tmp_path):
    path = tmp_path / "final.pt"
    path.write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(ModelError, match="remove it to train from the beginning"):
        run(path).run()


def test_looks_decide_which_weights_are_kept(tmp_path):
    """With a rate that destroys, the weights of the beginning are the best."""
    batch = draw(0)
    made = tuner(steps=20, rate=0.9, ema=0.0)
    watch = Watch([tuple(part[0] for part in batch)], CLASSES)
    target = (made.predict(batch.image).argmax(1)).to(torch.uint8)
    watch = Watch([(batch.image[0], target[0], torch.zeros(3))], CLASSES)
    begin = made.weights()
    listener = Listener()
    training = run(
        tmp_path / "final.pt", listener, made=made, watch=watch, stop_early=True
    )
    training.run()
    assert same(training.weights(), begin)
    looks = [e for e in listener.events if e["event"] == "validation"]
    assert looks[0]["dice"] == {"bright": 1.0}
    assert listener.pictures[0][1].startswith(b"\x89PNG")


def test_a_look_counts_known_voxels_only():
    made = tuner()
    batch = draw(3)
    said = made.predict(batch.image).argmax(1)[0]
    known = batch.target[0] != 255
    truth = batch.target[0] == 1
    both = ((said == 1) & truth & known).sum()
    dice = 2 * both / (((said == 1) & known).sum() + (truth & known).sum())
    glance = Watch([tuple(part[0] for part in batch)], CLASSES).look(made, CPU)
    assert glance.dice["bright"] == pytest.approx(float(dice), abs=1e-4)


def test_everything_moves_to_another_device():
    """Nothing may stay on a GPU that somebody else wants."""
    made = tuner()
    made.update(draw(0))
    made.move(torch.device("meta"))
    modules = (made.network, made.mean, made._teacher)
    tensors = [each for module in modules for each in module.state_dict().values()]
    states = made._optimizer.state.values()
    tensors += [each for state in states for k, each in state.items() if k != "step"]
    assert {each.device.type for each in tensors} == {"meta"}
    assert {state["step"].device.type for state in states} == {"cpu"}


def test_several_trainings_may_start_from_one_student():
    begin, objective = student(), Objective(CLASSES, 0.3)
    before = {k: v.clone() for k, v in begin.network.state_dict().items()}
    first = Tuner(begin, "head", objective, Schedule(4, 0, 1e-2, 0.0), 0.0, CPU)
    first.update(draw(0))
    assert not same(first.network.state_dict(), before)
    assert same(begin.network.state_dict(), before)
    assert all(each.requires_grad for each in begin.network.parameters())
