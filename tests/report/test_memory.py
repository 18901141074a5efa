"""The drawing of memory over time, read back as the XML that it is."""

import re
import xml.etree.ElementTree as ElementTree

import keras
import pytest
from keras import layers

import kerasnas as kn
from kerasnas.hardware import keras_graph, profile_graph

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def profile():
    return kn.profile(
        keras.Sequential(
            [
                keras.Input((16, 16, 3)),
                layers.Conv2D(8, 3, padding="same", activation="relu", name="first"),
                layers.Conv2D(16, 3, strides=2, name='a <b> & "c"'),
                layers.GlobalAveragePooling2D(name="pool"),
                layers.Dense(10, name="dense"),
            ]
        )
    )


def draw(profile, path, **kwargs):
    kn.report.memory(profile, path, **kwargs)
    return ElementTree.parse(path).getroot()


def of_class(root, kind):
    return [one for one in root.iter() if one.get("class") == kind]


def texts(root):
    return [one.text for one in root.iter(f"{SVG}text")]


def levels(path):
    """The heights of a stair, one a step."""
    return [float(y) for y in re.findall(r"V([\d.]+)H", path.get("d", ""))]


def test_every_step_is_as_high_as_its_bytes(profile, tmp_path):
    root = draw(profile, tmp_path / "memory.svg")
    steps = [layer for layer in profile.layers if layer.ram_bytes]
    alive = of_class(root, "alive")[-1]  # The first is in the legend.
    (head,) = of_class(root, "head")
    zero = float(of_class(root, "axis")[0].get("y1"))
    scale = (zero - float(head.get("y1"))) / profile.ram_bytes
    found = [(zero - y) / scale for y in levels(alive)]
    wanted = [profile.arena_tail + layer.ram_bytes for layer in steps]
    assert found == pytest.approx(wanted, rel=1e-3)
    hovers = [one.find(f"{SVG}title").text for one in of_class(root, "step")]
    assert len(hovers) == len(steps)
    assert hovers[0] == f"1: first (Conv2D), {steps[0].ram_bytes:,} bytes in use"


def test_the_peak_is_marked_above_its_step(profile, tmp_path):
    root = draw(profile, tmp_path / "memory.svg")
    names = [layer.name for layer in profile.layers if layer.ram_bytes]
    assert profile.peak_layer == 'a <b> & "c"'
    (mark,) = of_class(root, "peak")
    step = of_class(root, "step")[names.index(profile.peak_layer)]
    left, width = float(step.get("x")), float(step.get("width"))
    assert left < float(mark.get("x1")) < left + width
    assert any(text.startswith('peak: a <b> & "c", ') for text in texts(root))


def test_everything_is_inside_the_picture(profile, tmp_path):
    root = draw(profile, tmp_path / "memory.svg", budget=kn.Budget(ram="1MB"))
    width, height = float(root.get("width")), float(root.get("height"))
    for one in root.iter():
        for name, most in (("x", width), ("x1", width), ("x2", width)):
            assert 0 <= float(one.get(name, 0)) <= most
        for name, most in (("y", height), ("y1", height), ("y2", height)):
            assert 0 <= float(one.get(name, 0)) <= most
        assert all(0 <= y <= height for y in levels(one))


@pytest.mark.parametrize(("ram", "said"), [(4000, "exceeded"), (1_000_000, "kept")])
def test_the_budget_is_a_line(profile, tmp_path, ram, said):
    root = draw(profile, tmp_path / "memory.svg", budget=kn.Budget(ram=ram))
    (line,) = of_class(root, "budget")
    (head,) = of_class(root, "head")
    above = float(line.get("y1")) < float(head.get("y1"))
    assert above == (ram > profile.ram_bytes)
    assert f"The budget of {ram:,} bytes is {said}." in root.find(f"{SVG}desc").text
    assert not of_class(draw(profile, tmp_path / "b.svg", budget=kn.Budget(flash=9999)), "budget")


def test_who_cannot_see_it_can_read_it(profile, tmp_path):
    root = draw(profile, tmp_path / "memory.svg")
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == "Memory of 4 operators (int8)"
    assert f"{profile.arena_head:,} for activations" in root.find(f"{SVG}desc").text
    assert {root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")} == set(
        root.get("aria-labelledby").split()
    )
    assert "operator" in texts(root)
    assert "RAM, bytes" in texts(root)


def test_nothing_is_loaded_from_elsewhere(profile, tmp_path):
    path = tmp_path / "memory.svg"
    draw(profile, path)
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert "href" not in text
    assert "url(" not in text


def test_a_network_of_many_layers(tmp_path):
    deep = keras.Sequential(
        [keras.Input((8, 8, 4)), *(layers.Conv2D(4, 1, name=f"c{n}" * 30) for n in range(200))]
    )
    root = draw(kn.profile(deep), tmp_path / "deep.svg")
    assert len(of_class(root, "step")) == 200
    numbers = [text for text in texts(root) if text.isdigit()]
    assert len(numbers) < 40


def test_two_drawings_of_one_profile_are_the_same(profile, tmp_path):
    draw(profile, tmp_path / "a.svg")
    draw(profile, str(tmp_path / "b.svg"))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_file_is_drawn_too(profile, tmp_path):
    pytest.importorskip("tensorflow")
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, name="conv"), layers.Conv2D(2, 3)]
    )
    found = kn.hardware.profile_tflite(kn.export.to_tflite(model))
    root = draw(found, tmp_path / "file.svg")
    assert len(of_class(root, "step")) == len(found.layers)


def test_a_profile_without_layers_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(1)])
    totals = profile_graph(keras_graph(model), by_layer=False)
    with pytest.raises(ValueError, match=r"no layers.*0 layers"):
        kn.report.memory(totals, tmp_path / "memory.svg")


def test_a_model_in_the_place_of_its_profile_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(1)])
    with pytest.raises(TypeError, match=r"kerasnas\.profile\(model\).*type Sequential"):
        kn.report.memory(model, tmp_path / "memory.svg")


def test_a_size_in_the_place_of_a_budget_is_refused(profile, tmp_path):
    with pytest.raises(TypeError, match=r"Budget\(ram=.*budget='64KB'"):
        kn.report.memory(profile, tmp_path / "memory.svg", budget="64KB")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(profile, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"make '.*nowhere' first.*memory\.svg"):
        kn.report.memory(profile, tmp_path / "nowhere" / "memory.svg")
