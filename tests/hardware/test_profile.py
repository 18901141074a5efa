import dataclasses

import keras
from keras import layers

import kerasnas as kn
from kerasnas.hardware import keras_graph, profile_graph


def chain(names, **kwargs):
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            *(layers.Conv2D(4, 3, padding="same", name=name, **kwargs) for name in names),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(10, name="dense"),
        ]
    )


def rows_of(text):
    """Cells of the table by the first word of the line; the rules apart."""
    return {line.split()[0]: line.split() for line in text.split("\n\n")[0].splitlines()}


def test_summary_shows_shares_and_totals():
    profile = kn.profile(chain(["first", "second"]))
    rows = rows_of(profile.summary())
    first = profile.layers[1]
    share = round(100 * first.macs / profile.macs)
    assert rows["first"][3:5] == [f"{first.macs:,}", str(share)]
    assert rows["first"][5] == f"{first.flash_bytes:,}"
    assert rows["pool"][2:4] == ["-", "-"]
    assert rows["total"][2:5] == [f"{profile.params:,}", f"{profile.macs:,}", "100"]
    assert rows["total"][-2:] == [f"{profile.ram_bytes:,}", "100"]
    # What is no layer's is in lines of its own, so that the columns of the file add up.
    rest = profile.flash_bytes - sum(layer.flash_bytes for layer in profile.layers)
    lines = profile.summary().splitlines()
    assert f" {rest:,} " in next(line for line in lines if line.startswith("the rest of the file"))
    interpreter = next(line for line in lines if line.startswith("the interpreter"))
    assert f" {profile.arena_tail:,} " in interpreter


def test_summary_names_the_peak_and_the_largest_share_of_the_flash():
    profile = kn.profile(chain(["first", "second"]))
    peak, flash = profile.summary().splitlines()[-2:]
    assert profile.peak_layer == "second"
    # 16 x 16 values of 4 channels go in, and as many come out.
    assert (
        peak == "Peak of the RAM: second. The arena reaches 2,048 bytes there, 2,048 of them in use"
    )
    # Its scales and biases are ten, one a class.
    assert flash.startswith("Most of the flash: dense, ")


def test_where_the_placement_is_not_known_the_most_in_use_is_the_peak():
    profile = kn.profile(chain(["first", "second"]))
    rows = [dataclasses.replace(layer, arena_bytes=0) for layer in profile.layers]
    text = dataclasses.replace(profile, layers=tuple(rows)).summary()
    assert "second. 2,048 bytes are in use there, of an arena of 2,048" in text


def test_gaps_of_the_placement_are_told_from_what_is_in_use():
    """A long tensor that is placed first leaves a gap when its neighbour ends."""
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(16, 1, name="wide")(inputs)
    x = layers.Conv2D(6, 1, name="narrow")(x)
    y = layers.Conv2D(10, 1, name="other")(x)
    z = layers.Conv2D(12, 1, name="another")(y)
    profile = kn.profile(keras.Model(inputs, layers.Concatenate(name="join")([x, z])))
    for layer in profile.layers:
        assert layer.arena_bytes >= layer.ram_bytes
        assert layer.arena_bytes <= profile.arena_head
    assert max(layer.arena_bytes for layer in profile.layers) == profile.arena_head
    peak = next(layer for layer in profile.layers if layer.name == profile.peak_layer)
    assert peak.arena_bytes == profile.arena_head
    assert any(layer.arena_bytes > layer.ram_bytes > 0 for layer in profile.layers)


def test_summary_of_many_layers_with_long_names_stays_within_100_columns():
    names = [
        f"stage_{n // 10}_block_{n % 10}_pointwise_convolution_of_the_branch" for n in range(300)
    ]
    profile = kn.profile(chain(names))
    lines = profile.summary().splitlines()
    assert max(map(len, lines)) <= 100
    table = lines[: lines.index("")]
    assert len(table) == 2 + 303 + 1 + 3
    # All names that are cut are still told apart by how they begin and end.
    assert len({line.split()[0] for line in table[3:-6]}) == 300
    assert {len(line) for line in table if line.endswith(("%", "100"))} == {len(table[0])}
    assert f"Peak of the RAM: {profile.peak_layer}." in " ".join(lines[-4:])


def test_summary_of_totals_alone():
    profile = profile_graph(keras_graph(chain(["first"])), by_layer=False)
    assert profile.peak_layer is None
    assert profile.summary().splitlines()[-1].startswith("total (int8)")
    assert len(profile.summary().splitlines()) == 3
