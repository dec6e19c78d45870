"""The colours as people see them who lack one kind of cone."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from napari_mednext.labels import default_color

#: Machado, Oliveira and Fernandes, IEEE TVCG 15(6), 2009, severity 1.0; linear RGB.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def seen(colors, sight):
    """(n, 3) CIELAB of colours 0..255 through a matrix on linear light."""
    coded = np.asarray(colors) / 255
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    light = np.clip(light @ np.asarray(sight).T, 0, 1)
    coded = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    )
    return rgb2lab(coded[None])[0]


def smallest_distance(count, sight):
    lab = seen([default_color(value) for value in range(1, count + 1)], sight)
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return apart[~np.eye(count, dtype=bool)].min()


def test_a_matrix_keeps_greys_as_they_are():
    greys = [(value,) * 3 for value in (0, 60, 130, 255)]
    for sight in SIGHTS.values():
        assert np.allclose(seen(greys, sight), seen(greys, np.eye(3)), atol=0.1)


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize(
    ("count", "at_least"), [(7, 16.0), (9, 9.6), (12, 9.2), (60, 9.1), (120, 5.8)]
)
def test_colours_differ_for_every_kind_of_sight(sight, count, at_least):
    # The smallest over all four, measured: 16.1, 9.7, 9.3, 9.2 and 5.9.
    assert smallest_distance(count, SIGHTS[sight]) >= at_least


def test_the_first_twelve_are_those_that_files_already_hold():
    first = [default_color(value) for value in range(1, 13)]
    assert first[:3] == [(230, 159, 0), (86, 180, 233), (0, 158, 115)]
    assert first[9:] == [(102, 205, 170), (120, 94, 240), (153, 79, 0)]


def test_colours_differ_and_repeat_after_120():
    assert len({default_color(value) for value in range(1, 121)}) == 120
    assert default_color(121) == default_color(1)
    assert default_color(65535) == default_color(65535 % 120)
