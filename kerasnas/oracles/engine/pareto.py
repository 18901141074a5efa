"""Dominance among several objectives, all to be minimised: fronts, crowding and hypervolume."""

import numpy as np


def non_dominated(losses: np.ndarray) -> np.ndarray:
    """Marks the points that no other point dominates.

    Args:
        losses: Array of shape (points, objectives), smaller is better.

    Returns:
        Boolean array of shape (points,). Equal points do not dominate each other.

    Example:

    ```python
    non_dominated(np.array([[0, 1], [1, 0], [1, 1]]))   # [True, True, False]
    ```
    """
    losses = np.asarray(losses, dtype=float)
    marked = np.zeros(len(losses), dtype=bool)
    front = np.empty((0, losses.shape[1] if losses.ndim == 2 else 0))
    # In this order a point is never dominated by a later one: the front so far decides.
    for place in np.lexsort(losses.T[::-1]):
        point = losses[place]
        no_worse = (front <= point).all(axis=1)
        if not (no_worse & (front < point).any(axis=1)).any():
            marked[place] = True
            front = np.vstack([front, point])
    return marked


def fronts(losses: np.ndarray) -> np.ndarray:
    """Ranks points by non-dominated sorting.

    Args:
        losses: Array of shape (points, objectives), smaller is better.

    Returns:
        Integer array of shape (points,): 0 for the first front.

    Source:
        Deb et al. 2002, doi:10.1109/4235.996017, section III-A.

    Example:

    ```python
    fronts(np.array([[0, 1], [1, 0], [1, 1]]))   # [0, 0, 1]
    ```
    """
    losses = np.asarray(losses, dtype=float)
    no_worse = np.asarray((losses[:, None] <= losses[None]).all(axis=2))
    dominates = no_worse & ~no_worse.T
    better = dominates.sum(axis=0)
    ranks = np.zeros(len(losses), dtype=int)
    rank, left = 0, np.ones(len(losses), dtype=bool)
    while left.any():
        front = left & (better == 0)
        ranks[front] = rank
        left &= ~front
        better = better - dominates[front].sum(axis=0)
        rank += 1
    return ranks


def crowding(losses: np.ndarray) -> np.ndarray:
    """Returns how far apart the neighbours of each point of a front are.

    Args:
        losses: Array of shape (points, objectives), the points of one front.

    Returns:
        Array of shape (points,); infinite for the ends of each objective.

    Source:
        Deb et al. 2002, doi:10.1109/4235.996017, section III-B.

    Example:

    ```python
    crowding(np.array([[0, 2], [1, 1], [2, 0]]))   # [inf, 2.0, inf]
    ```
    """
    room = np.zeros(len(losses))
    for column in np.asarray(losses, dtype=float).T:
        order = np.argsort(column, kind="stable")
        room[order[[0, -1]]] = np.inf
        width = column[order[-1]] - column[order[0]]
        if width > 0:
            room[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / width
    return room


def hypervolume(losses: np.ndarray, reference: np.ndarray) -> float:
    """Returns the volume that a set of points dominates, up to a reference point.

    Args:
        losses: Array of shape (points, objectives), smaller is better.
        reference: Array of shape (objectives,); points that are not better than it in every
            objective add nothing.

    Returns:
        The volume, in the product of the objectives' units.

    Source:
        Zitzler and Thiele 1998, doi:10.1007/BFb0056872; sliced by one objective after the other.

    Example:

    ```python
    hypervolume(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0]))   # 3.0
    ```
    """
    losses = np.asarray(losses, dtype=float).reshape(-1, len(reference))
    losses = losses[(losses < reference).all(axis=1)]
    if not len(losses):
        return 0.0
    losses = losses[non_dominated(losses)]
    if len(reference) == 1:
        return float(reference[0] - losses.min())
    losses = losses[np.argsort(losses[:, -1], kind="stable")]
    ends = np.append(losses[1:, -1], reference[-1])
    total = 0.0
    for place, end in enumerate(ends):
        height = end - losses[place, -1]
        if height > 0:
            total += height * hypervolume(losses[: place + 1, :-1], reference[:-1])
    return float(total)


def running_hypervolume(losses: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Returns the hypervolume of the first point, of the first two, and so on.

    Args:
        losses: Array of shape (points, objectives), smaller is better.
        reference: Array of shape (objectives,). None scales every objective to 0 for the best of
            all the points and 1 for the worst, and measures up to the worst: a share of the whole.

    Returns:
        Array of shape (points,).

    Example:

    ```python
    running_hypervolume(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0]))   # [2.0, 3.0]
    ```
    """
    losses = np.asarray(losses, dtype=float)
    if not len(losses):
        return np.empty(0)
    if reference is None:
        low, high = losses.min(axis=0), losses.max(axis=0)
        losses = (losses - low) / np.where(high > low, high - low, 1.0)
        reference = np.ones(losses.shape[1])
    front = losses[:0]
    volume, volumes = 0.0, []
    for point in losses:
        if not (front <= point).all(axis=1).any():
            front = np.vstack([front[~(point <= front).all(axis=1)], point])
            volume = hypervolume(front, reference)
        volumes.append(volume)
    return np.array(volumes)
