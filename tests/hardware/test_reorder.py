import itertools

import numpy as np

import kerasnas as kn
from kerasnas.hardware import Sketch
from kerasnas.hardware.arena import head_bytes
from kerasnas.hardware.lowering import Operator, Program, lower
from kerasnas.hardware.reorder import reordered_head
from kerasnas.hypermodels import FixedHyperParameters


def wide_branch() -> Sketch:
    x = Sketch.input((8, 8, 4)).conv2d(4, 1, name="stem")
    kept = x.conv2d(16, 1, name="a_kept")
    wide = x.conv2d(64, 1, name="b_wide").conv2d(2, 1, name="b_narrow")
    end = kept.concatenate([wide], name="c_concatenate")
    end.graph.outputs = (end.index,)
    return end


def working_set(program: Program, order: tuple[int, ...]) -> int | None:
    """The largest sum of tensors alive, or None if something is read before it is written."""
    operators = [program.operators[i] for i in order]
    alive, worst = set(program.inputs), 0
    for step, operator in enumerate(operators):
        if not set(operator.reads) <= alive:
            return None
        alive.add(operator.writes)
        worst = max(worst, sum(program.activation_bytes(i) for i in alive))
        later = {x for other in operators[step + 1 :] for x in other.reads}
        alive = {x for x in alive if x in later or x in program.outputs}
    return worst


def test_a_wide_branch_goes_before_what_would_have_to_wait_for_it():
    end = wide_branch()
    program = lower(end.graph)
    # The converter keeps the first branch's 1,024 bytes while the second is made.
    assert head_bytes(program) == 1024 + 4096 + 256
    assert reordered_head(program, head_bytes(program)) == 4096 + 256 + 128


def test_the_summary_says_it_where_another_order_is_better():
    end = wide_branch()
    assert "4,480 bytes instead of 5,376" in kn.hardware.profile_graph(end.graph).summary()
    end.graph.outputs = (1,)
    assert "best order" not in kn.hardware.profile_graph(end.graph).summary()


def test_no_order_of_small_random_networks_is_better():
    rng = np.random.default_rng(0)
    better = 0
    for _ in range(60):
        program = Program("int8", activations=[(int(rng.integers(1, 9)) * 16,)], inputs=[0])
        for i in range(1, 6):
            reads = rng.choice(i, size=min(i, int(rng.integers(1, 3))), replace=False)
            program.activations.append((int(rng.integers(1, 9)) * 16,))
            program.operators.append(Operator("ADD", i, tuple(map(int, reads)), i))
        read = {x for operator in program.operators for x in operator.reads}
        program.outputs = [i for i in range(1, 6) if i not in read]
        program.widths = [1] * 6
        least = min(
            found
            for order in itertools.permutations(range(5))
            if (found := working_set(program, order)) is not None
        )
        best = reordered_head(program, head_bytes(program))
        assert best is not None
        # The placement may leave gaps, never save what is alive.
        assert least <= best <= head_bytes(program)
        better += best < head_bytes(program)
    assert better > 5


def test_a_profile_tells_it():
    space = kn.CellHyperModel((8, 8, 3), 10)
    graph = space.sketch(FixedHyperParameters({}))
    profile = kn.hardware.profile_graph(graph)
    assert profile.arena_head_reordered is not None
    assert profile.arena_head_reordered <= profile.arena_head
    # Not in a search, which asks thousands of times.
    assert kn.hardware.profile_graph(graph, by_layer=False).arena_head_reordered is None
