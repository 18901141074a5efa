import kerasnas as kn
from kerasnas.hardware.lowering import lower
from kerasnas.hypermodels import FixedHyperParameters


def test_every_random_network_is_lowered(rng, random_values):
    for space in (
        kn.CellHyperModel((8, 8, 1), 3, nodes=5),
        kn.LayerwiseHyperModel((8, 8, 1), 3),
    ):
        for hp in random_values(space, 60, rng):
            program = lower(space.sketch(FixedHyperParameters(hp.values)))
            written = set(program.inputs)
            for operator in program.operators:
                assert set(operator.reads) <= written, "read before it was written"
                written.add(operator.writes)
            assert set(program.outputs) <= written
