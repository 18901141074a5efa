import numpy as np
import pytest

from kerasnas.export.agreement import Output, runtime_differences

STEP = 0.5
WANT = np.arange(256, dtype="float32")[:, np.newaxis] * STEP  # Every step of an int8 output.


def unasked():
    raise AssertionError("the reference kernels are asked only where the rest do not tell")


def differences(micro, litert, keras=None, reference=unasked, step=STEP, tolerance=None):
    output = Output("y", step, micro, litert, keras)
    return runtime_differences([output], reference, tolerance)["y"]


@pytest.mark.parametrize("steps", [0, 1, 12])
def test_rounding_is_told_in_steps(steps):
    assert differences(WANT + steps * STEP, WANT) == steps


def test_more_than_rounding_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"from LiteRT by 7 in output 'y'.*`tolerance`, in steps"):
        differences(WANT + 14 * STEP, WANT, reference=lambda: None)


@pytest.mark.parametrize(
    ("off", "tolerance", "accepted"),
    [(0, 0, True), (1, 0, False), (1, 1, True), (3, 2, False), (40, 40, True), (2, 1.5, False)],
)
def test_a_tolerance_is_the_steps_that_are_accepted(off, tolerance, accepted):
    given = {"reference": lambda: [WANT], "tolerance": tolerance}
    if accepted:
        assert differences(WANT + off * STEP, WANT, **given) == off
    else:
        with pytest.raises(ValueError, match="more than rounding explains"):
            differences(WANT + off * STEP, WANT, **given)


@pytest.mark.parametrize("tolerance", [0, 3])
def test_the_reference_kernels_do_not_stretch_a_tolerance(tolerance):
    off = WANT + 14 * STEP
    with pytest.raises(ValueError, match="differs from LiteRT by 7"):
        differences(off, WANT, reference=lambda: [off], tolerance=tolerance)


def test_a_tolerance_of_float_outputs_is_in_parts_of_their_range():
    off = WANT + 3 * STEP
    assert differences(off, WANT, step=0, tolerance=3) == pytest.approx(3 * STEP)
    with pytest.raises(ValueError, match="differs from LiteRT"):
        differences(off, WANT, step=0, reference=lambda: None, tolerance=2)


def test_keras_shows_that_it_is_litert_that_is_wrong():
    assert differences(WANT, WANT + 30, keras=WANT + 0.1) == 60


def test_the_reference_kernels_explain_large_roundings():
    """Correct kernels that a softmax of strange inputs takes apart."""
    rng = np.random.default_rng(0)
    micro, litert = (WANT + rng.normal(0, 9, WANT.shape) for _ in "ab")
    reference = [micro + STEP]
    assert differences(micro, litert, None, lambda: reference) > 14
    assert differences(micro, litert, WANT, lambda: reference) > 14


def test_an_error_that_the_reference_kernels_share_is_seen_from_the_model():
    wrong = WANT + 30
    assert differences(wrong, WANT, None, lambda: [wrong]) == 60
    with pytest.raises(ValueError, match="from LiteRT by 30 and from the Keras model by 30"):
        differences(wrong, WANT, WANT, lambda: [wrong])


def test_a_model_far_from_its_file_hides_no_error():
    """Pruned and clustered, a file may be far from its model on both runtimes."""
    with pytest.raises(ValueError, match="differs from LiteRT by 20 and"):
        differences(WANT + 20, WANT, WANT - 100, lambda: [WANT])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_agrees_with_itself_alone(value):
    strange = WANT.copy()
    strange[3] = value
    assert differences(strange, strange, step=0) == 0
    for micro, litert in ((strange, WANT), (WANT, strange)):
        with pytest.raises(ValueError, match="differs from LiteRT"):
            differences(micro, litert, step=0, reference=lambda: None)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64"])
def test_integers_are_equal_or_not(dtype):
    one = np.array([[1], [0]], dtype)
    assert differences(one, one, step=0) == 0
    assert differences(one, one[::-1], step=0, tolerance=1) == 1
    with pytest.raises(ValueError, match="from LiteRT by 1 in"):
        differences(one, one[::-1], step=0, reference=lambda: None)


def test_the_output_at_fault_is_named():
    good, bad = Output("a", STEP, WANT, WANT, None), Output("b", STEP, WANT + 50, WANT, None)
    with pytest.raises(ValueError, match="in output 'b'"):
        runtime_differences([good, bad], lambda: [WANT, WANT])
