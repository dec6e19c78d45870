import json

import pytest
import torch

from napari_mednext.errors import ChannelError, ModelError
from napari_mednext.labels import LabelSet
from napari_mednext.models import ModelFolder
from napari_mednext.training.tuning.candidate import (
    candidate_plans,
    mixed,
    plan_of_channels,
)
from napari_mednext.training.tuning.classes import class_map
from napari_mednext.training.tuning.origins import seed_new_heads
from napari_mednext.training.tuning.student import channel_rows, make_student
from tests.app.improve_parts import write_model

IMAGE = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "small")


def answer(network, image):
    network.eval()
    with torch.no_grad():
        return network(image)


@pytest.mark.parametrize(
    ("model", "study", "rows"),
    [
        (("T1",), ("T1",), (0,)),
        (("T1",), ("scan",), (0,)),
        (("T1", "T2"), ("T2", "T1"), (1, 0)),
        (("T1",), ("FLAIR", "t1"), (None, 0)),
        (("T1", "CT"), ("FLAIR", "CT", "extra"), (0, 1, None)),
    ],
)
def test_channels_follow_their_names_and_then_their_order(model, study, rows):
    assert channel_rows(model, study) == rows


def test_a_study_with_too_few_channels_is_told():
    with pytest.raises(ChannelError, match="as many channels as its model, 2"):
        channel_rows(("T1", "T2"), ("T1",))


def test_at_first_it_says_of_old_classes_what_the_model_says(model):
    labels = LabelSet.from_names({1: "dark", 2: "bright", 3: "new"})
    student = make_student(model, model, class_map(model.labels, labels), ("scan",))
    old = torch.softmax(answer(student.teacher, IMAGE), 1)
    new = torch.softmax(answer(student.network, IMAGE), 1)
    assert torch.allclose(new[:, 1:3], old[:, 1:3], atol=1e-6)
    assert torch.allclose(new[:, 0] + new[:, 3], old[:, 0], atol=1e-6)


def test_at_first_a_new_channel_changes_nothing(model):
    classes = class_map(model.labels, model.labels)
    student = make_student(model, model, classes, ("other", "scan"))
    assert student.teacher_channels == (1,)
    two = torch.cat([torch.randn_like(IMAGE) * 9, IMAGE], 1)
    assert torch.allclose(
        answer(student.network, two), answer(student.teacher, IMAGE), atol=1e-5
    )


def test_lower_heads_that_a_model_lacks_begin_silent(model):
    student = make_student(
        model, model, class_map(model.labels, model.labels), ("scan",)
    )
    student.network.train()
    finest, *lower = student.network(IMAGE)
    assert len(lower) == 4
    assert all(float(each.detach().abs().max()) == 0 for each in lower)
    assert float(finest.detach().abs().max()) > 0


def test_a_new_class_begins_as_its_origins_less_sure(model):
    labels = LabelSet.from_names({1: "dark", 2: "bright", 3: "new"})
    student = make_student(model, model, class_map(model.labels, labels), ("scan",))
    before = answer(student.network, IMAGE)
    seed_new_heads(student.network, {3: {1: 0.75, 2: 0.25}})
    after = answer(student.network, IMAGE)
    assert torch.equal(after[:, :3], before[:, :3])
    expected = 0.75 * before[:, 1] + 0.25 * before[:, 2] - 1.0
    assert torch.allclose(after[:, 3], expected, atol=1e-5)


def test_a_new_class_that_no_patch_held_begins_as_the_background(model):
    labels = LabelSet.from_names({1: "dark", 3: "new"})
    student = make_student(model, model, class_map(model.labels, labels), ("scan",))
    before = answer(student.network, IMAGE)
    seed_new_heads(student.network, {3: {}})
    assert torch.equal(answer(student.network, IMAGE), before)


def test_larger_kernels_need_a_network_that_has_them(model):
    classes = class_map(model.labels, model.labels)
    with pytest.raises(ModelError, match="kernels can be enlarged"):
        make_student(model, model, classes, ("scan",), kernel_size=1)


def test_weights_between_the_old_and_the_new():
    old, new = {"a": torch.tensor([0.0, 4.0])}, {"a": torch.tensor([1.0, 0.0])}
    assert mixed(old, new, 0.25)["a"].tolist() == [0.25, 3.0]
    assert mixed(old, new, 1.0)["a"].tolist() == [1.0, 0.0]


def test_plans_of_a_model_with_more_channels_can_be_read(model, tmp_path):
    rows = (None, 0)
    plans = candidate_plans(model, model.plan.arch_kwargs, rows)
    dataset = json.loads((model.path / "dataset.json").read_text())
    dataset["channel_names"] = {"0": "other", "1": "scan"}
    folder = tmp_path / "two"
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    (folder / "fold_0" / "weights.safetensors").write_bytes(
        (model.path / "fold_0" / "weights.safetensors").read_bytes()
    )
    read = ModelFolder.open(folder).plan
    wanted = plan_of_channels(model.plan, rows)
    assert read.normalization_schemes == wanted.normalization_schemes
    assert read.normalization_schemes == ("ZScoreNormalization",) * 2
    assert read.use_mask_for_norm == wanted.use_mask_for_norm
    assert read.spacing == model.plan.spacing
