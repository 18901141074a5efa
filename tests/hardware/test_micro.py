import importlib.util
import subprocess

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import kerasnas as kn
from kerasnas.hardware import measure_arena, micro, profile_tflite

L = keras.layers


needs_micro = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is not installed"
)


def residual() -> keras.Model:
    x = keras.Input((9, 9, 3))
    y = L.Conv2D(8, 3, padding="same", activation="relu")(x)
    z = L.DepthwiseConv2D(3, padding="same")(L.Conv2D(16, 1)(y))
    y = L.Concatenate()([L.Add()([y, L.Conv2D(8, 1)(z)]), x])
    y = L.AveragePooling2D(2)(L.MaxPooling2D(2)(L.ZeroPadding2D(1)(y)))
    return keras.Model(x, L.Dense(4, activation="softmax")(L.Flatten()(y)))


def two_inputs_and_outputs() -> keras.Model:
    x, other = keras.Input((6, 6, 4)), keras.Input((6, 6, 4))
    y = L.Conv2DTranspose(4, 3, strides=2, padding="same")(L.Multiply()([x, other]))
    narrow = L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(40, 1)(y)))
    return keras.Model([x, other], [narrow, L.GlobalMaxPooling2D()(L.UpSampling2D(2)(other))])


def recurrent() -> keras.Model:
    x = keras.Input((6, 4))
    return keras.Model(x, L.Dense(2)(L.LSTM(8)(x)))


def activations() -> keras.Model:
    x = keras.Input((8, 4))
    y = L.Activation("sigmoid")(L.Conv1D(6, 3)(x))
    y = L.LeakyReLU()(L.Activation("tanh")(y))
    return keras.Model(x, L.Permute((2, 1))(L.Subtract()([y, L.PReLU(shared_axes=[1])(y)])))


@pytest.fixture(
    params=[residual, two_inputs_and_outputs, recurrent, activations],
    ids=lambda make: make.__name__,
)
def exported(request):
    keras.utils.set_random_seed(0)
    model = request.param()
    rng = np.random.default_rng(0)
    samples = [rng.random((8, *tensor.shape[1:])) for tensor in model.inputs]
    return [
        kn.export.to_tflite(
            model, dtype, representative_data=samples if len(samples) > 1 else samples[0]
        )
        for dtype in ("int8", "float32")
    ]


@needs_micro
def test_the_arena_is_what_the_interpreter_reports(exported):
    for data in exported:
        p, real = profile_tflite(data), measure_arena(data)
        assert p.arena_head == real.head
        assert p.arena_tail == pytest.approx(real.tail, rel=0.05)
        assert real.total == real.head + real.tail


@needs_micro
@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_variables_that_a_file_keeps_are_in_the_arena(streaming_files, quantization):
    data = streaming_files[quantization]
    p, real = profile_tflite(data), measure_arena(data)
    assert (p.arena_head, p.arena_tail) == (real.head, real.tail)


def variables(sizes: list[int], shared: bool) -> tuple:
    """Variables that one subgraph begins and the main graph reads; two handles of the last one."""
    names = [f"state_{i}" for i in range(len(sizes))] + [f"state_{len(sizes) - 1}"] * shared
    sizes = sizes + sizes[-1:] * shared
    count = len(sizes)
    handles = [{"name": f"h{i}", "shape": (), "dtype": "RESOURCE"} for i in range(count)]
    values = [{"name": f"v{i}", "shape": (1, size)} for i, size in enumerate(sizes)]
    begun = [{**value, "data": np.ones(value["shape"], np.float32)} for value in values]
    handled = [
        ("VAR_HANDLE", [], [i], options("VarHandle", container="", sharedName=name))
        for i, name in enumerate(names)
    ]
    ends = [{"name": name, "shape": (1, 1)} for name in ("x", "y")]
    main = (
        [*handles, *values, *ends],
        [
            ("CALL_ONCE", [], [], options("CallOnce", initSubgraphIndex=1)),
            *handled,
            *(("READ_VARIABLE", [i], [count + i]) for i in range(count)),
            ("ADD", [2 * count, 2 * count], [2 * count + 1]),
        ],
        [2 * count],
        [2 * count + 1],
    )
    assigned = [("ASSIGN_VARIABLE", [i, count + i], []) for i in range(count)]
    return main, ([*handles, *begun], [*handled, *assigned], [], [])


@needs_micro
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("sizes", [[1], [4, 5], [1000, 3, 17, 1, 64]])
def test_variables_of_any_number_and_size(make_tflite, sizes, shared):
    data = make_tflite(*variables(sizes, shared))
    p, real = profile_tflite(data), measure_arena(data)
    assert (p.arena_head, p.arena_tail) == (real.head, real.tail)


def test_damaged_assignments_of_variables_are_no_crash(make_tflite):
    main, (tensors, operators, *_) = variables([4], shared=False)
    for inputs in ([], [0], [0, -1], [-1, 1], [1, 0], [0, 1, 1]):
        damaged = [*operators[:1], ("ASSIGN_VARIABLE", inputs, [])]
        assert profile_tflite(make_tflite(main, (tensors, damaged, [], []))).ram_bytes > 0


def options(name: str, **fields):
    made = getattr(schema, f"{name}OptionsT")()
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def random_graph(seed: int) -> tuple:
    """Sums of tensors of random sizes; some unread, some read late, an input that is an output."""
    rng = np.random.default_rng(seed)
    count = 12
    tensors = [{"name": f"t{i}", "shape": (1, int(rng.integers(1, 200)))} for i in range(count + 2)]
    operators = []
    for i in range(2, count):
        # A concatenation takes operands of any size as long as their sum is right.
        reads = sorted({int(r) for r in rng.integers(0, i, rng.integers(1, 4))})
        tensors[i]["shape"] = (1, sum(tensors[r]["shape"][1] for r in reads) if i < 7 else 1)
        if i < 7:
            operators.append(("CONCATENATION", reads, [i], options("Concatenation", axis=1)))
        else:
            tensors[i]["shape"] = tensors[reads[0]]["shape"]
            operators.append(("ADD", [reads[0], reads[0]], [i]))
    tensors[count]["isVariable"] = True
    return tensors, operators, [0, 1], [count - 1, 0]


@needs_micro
@pytest.mark.parametrize("seed", range(8))
def test_a_random_graph_is_placed_as_the_interpreter_places_it(make_tflite, seed):
    data = make_tflite(random_graph(seed))
    p, real = profile_tflite(data), measure_arena(data)
    assert (p.arena_head, p.arena_tail) == (real.head, real.tail)


def tensor(shape, dtype="FLOAT32", data=None, **fields) -> dict:
    if dtype in ("INT8", "INT16"):
        fields.setdefault("scales", 1)
    return {"name": "", "shape": shape, "dtype": dtype, "data": data, **fields}


@needs_micro
@pytest.mark.parametrize(
    "name",
    [
        "anomaly_detection__ad01_int8",
        "image_classification__pretrainedResnet_quant",
        "keyword_spotting__kws_ref_model",
        "visual_wake_words__vww_96_int8",
    ],
)
def test_mlperf_tiny(name, data_folder):
    data = (data_folder / "mlperf_tiny" / f"{name}.tflite").read_bytes()
    p, real = profile_tflite(data), measure_arena(data)
    assert p.arena_head == real.head
    assert p.arena_tail == pytest.approx(real.tail, rel=0.05)


@needs_micro
def test_an_operator_that_the_interpreter_lacks_is_named(make_tflite):
    tensors = [{"name": "x", "shape": (1, 4)}, {"name": "y", "shape": (1, 4)}]
    with pytest.raises(ValueError, match=r"refuses the file: operator GELU"):
        measure_arena(make_tflite((tensors, [("GELU", [0], [1])], [0], [1])))


@needs_micro
def test_an_operator_that_cannot_be_prepared_is_named(make_tflite):
    weights = np.zeros((3, 4), np.int8)
    tensors = [
        {"name": "x", "shape": (1, 4)},
        {"name": "w", "shape": (3, 4), "dtype": "INT8", "data": weights, "scales": 1},
        {"name": "y", "shape": (1, 3)},
    ]
    graph = (tensors, [("FULLY_CONNECTED", [0, 1, -1], [2])], [0], [2])
    with pytest.raises(ValueError, match=r"operator FULLY_CONNECTED: .*INT8"):
        measure_arena(make_tflite(graph))


@needs_micro
def test_what_ends_the_interpreter_is_an_error(make_tflite):
    # An output that does not exist: the interpreter reads beyond its tensors.
    tensors = [{"name": "x", "shape": (1, 4)}]
    with pytest.raises(ValueError, match="refuses the file"):
        measure_arena(make_tflite((tensors, [("ADD", [-1, -1], [-1])], [0], [0])))


def quantization(scale: float):
    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint = [scale], [0]
    return made


def silent(make_tflite) -> bytes:
    """A file on whose ADD the interpreter aborts: its output is too fine for the inputs."""
    tensors = [
        {"name": "", "shape": (1, 4), "dtype": "INT8", "quantization": quantization(scale)}
        for scale in (0.5, 0.5, 0.5, 1e-9, 1e-9)
    ]
    operators = [("RELU", [0], [1]), ("RELU", [1], [2]), ("ADD", [1, 2], [3]), ("RELU", [3], [4])]
    return make_tflite((tensors, operators, [0], [4]))


@needs_micro
def test_an_operator_that_ends_the_interpreter_without_a_word_is_named(make_tflite):
    with pytest.raises(ValueError, match=r"SIGABRT.*operator ADD \(number 3 of 4\)"):
        measure_arena(silent(make_tflite))


@needs_micro
def test_the_kinds_are_named_where_time_is_short(make_tflite, monkeypatch):
    run = micro._run

    def slow(data, timeout):
        if data != whole:
            raise subprocess.TimeoutExpired("interpreter", timeout)
        return run(data, timeout)

    whole = silent(make_tflite)
    monkeypatch.setattr(micro, "_run", slow)
    with pytest.raises(ValueError, match=r"SIGABRT.* likely cause: ADD, RELU$"):
        measure_arena(whole)


def test_what_ends_without_operators_is_not_blamed_on_one(make_tflite, monkeypatch):
    monkeypatch.setattr(micro, "_run", lambda data, timeout: (-6, ""))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    with pytest.raises(ValueError, match="no operator is the cause"):
        measure_arena(silent(make_tflite))


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf"), "60", None])
def test_a_timeout_that_is_no_positive_number_is_refused(timeout):
    said = r"`timeout` must be a number of seconds above 0.*Received: timeout="
    with pytest.raises(ValueError, match=said):
        measure_arena(b"", timeout=timeout)


def test_the_interpreter_is_stopped_in_time(make_tflite):
    pytest.importorskip("tflite_micro")
    tensors = [{"name": "x", "shape": (1, 4)}, {"name": "y", "shape": (1, 4)}]
    with pytest.raises(ValueError, match=r"timeout=0\.001"):
        measure_arena(make_tflite((tensors, [("NEG", [0], [1])], [0], [1])), timeout=0.001)


def test_what_is_no_file_is_refused():
    with pytest.raises(ValueError, match=r"must be the bytes of a \.tflite file"):
        measure_arena(b"not a model")


def test_the_extra_is_named_when_it_is_missing(make_tflite, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    tensors = [{"name": "x", "shape": (1, 4)}, {"name": "y", "shape": (1, 4)}]
    with pytest.raises(ImportError, match=r"kerasnas\[micro\]"):
        measure_arena(make_tflite((tensors, [("NEG", [0], [1])], [0], [1])))
