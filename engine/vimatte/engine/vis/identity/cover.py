"""One assignment over the whole shot: which end goes on at which beginning, at the least total cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

__all__ = ["path_cover"]


def path_cover(
    count: int, costs: Mapping[tuple[int, int], float], *, alone: float, doubt: Sequence[float] | None = None
) -> list[list[int]]:
    """Chains over nodes 0 to `count` - 1 so that links' costs plus `alone` for every chain's loose ends are least.

    `costs` are those of links (from, to), which must run forwards in time; a link that is not named is impossible.
    `doubt` is what it costs to say that a node is nobody and leave it by itself, where that is less than `alone`.

    Minimum-cost path cover as a bipartite matching (after Zhang, Li and Nevatia, CVPR 2008), sparse.
    """
    if count == 0:
        return []
    links = [(a, b) for (a, b), c in sorted(costs.items()) if c < alone]
    rows = [a for a, _ in links] + [count + b for _, b in links]
    columns = [b for _, b in links] + [count + a for a, _ in links]
    # Every full matching has as many edges, so one may be added to each: a sparse matrix has no room for zeros.
    values = [1.0 + costs[link] for link in links] + [1.0] * len(links)
    if doubt is not None:
        rows, columns = rows + list(range(count)), columns + list(range(count))
        values += [1.0 + min(d, alone) for d in doubt]
        rows, columns = rows + list(range(count, 2 * count)), columns + list(range(count, 2 * count))
        values += [1.0] * count
    ends = list(range(count))
    rows += ends + [count + k for k in ends]
    columns += [count + k for k in ends] + ends
    values += [1.0 + alone / 2] * (2 * count)
    table = sparse.csr_array((values, (rows, columns)), shape=(2 * count, 2 * count))
    _, match = min_weight_full_bipartite_matching(table)
    after = {a: int(b) for a, b in enumerate(np.asarray(match)[:count]) if b < count and a != b}
    chains: list[list[int]] = []
    for first in sorted(set(range(count)) - set(after.values())):
        chain = [first]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        chains.append(chain)
    return chains
