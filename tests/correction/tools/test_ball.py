"""Growing by a ball is a Euclidean distance transform with a limit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_mednext.correction.tools.ball import ball_reach, grow_by_ball

forms = hnp.arrays(
    np.bool_,
    hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=11),
    elements=st.sampled_from([False] * 9 + [True]),
)
lengths = st.floats(0.3, 4)


@settings(deadline=None)
@given(forms, st.floats(0, 9), st.tuples(lengths, lengths, lengths))
def test_growing_agrees_with_a_distance_transform(form, radius, spacing):
    grown = grow_by_ball(form, radius, spacing)
    if not form.any():
        assert not grown.any()
        return
    distance = ndimage.distance_transform_edt(~form, sampling=spacing)
    sure = np.abs(distance - radius) > 1e-6
    np.testing.assert_array_equal(grown[sure], (distance <= radius)[sure])
    assert grown[form].all()


def test_a_voxel_at_just_the_radius_belongs():
    form = np.zeros((1, 1, 21), bool)
    form[0, 0, 10] = True
    # 3 steps of 0.3 mm are 0.9 mm, though not in binary numbers.
    assert grow_by_ball(form, 0.9, (1, 1, 0.3)).sum() == 7
    assert ball_reach(0.9, (2.0, 0.9, 0.3)) == (0, 1, 3)
