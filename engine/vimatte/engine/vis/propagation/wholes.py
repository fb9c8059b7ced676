"""People are in one piece: a blob of the silhouette that stands alone belongs to the person whose home it is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["make_whole"]


def make_whole(planes: NDArray[np.float32], areas: NDArray[np.float64]) -> NDArray[np.float32]:
    """Mend mixed-up identities in (n, h, w) soft masks of people with usual `areas` (n,) in pixels.

    Connected blobs of the union of all people are matched one to one to people by how much of each they hold (a person
    may share a blob when there are too few). Within a blob that is somebody's home, pixels of people who live elsewhere
    are handed over. Blobs that are nobody's home and tiny go.
    """
    labels = np.where(planes.max(axis=0) > 0.5, planes.argmax(axis=0) + 1, 0).astype(np.int32)
    union = cv2.morphologyEx((labels > 0).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, blobs = cv2.connectedComponents(union, connectivity=4)
    people = len(planes)
    if count <= 1:
        return planes
    counted = np.bincount(blobs.ravel() * (people + 1) + labels.ravel(), minlength=count * (people + 1))
    mass = counted.reshape(count, people + 1)[1:, 1:].astype(np.float64).T
    size = mass.sum(axis=0)
    worth = np.where((size[None] > 0.3 * areas[:, None]) | (mass >= 0.99 * size[None]), mass, 0.0)
    share = np.diag(0.5 * mass.max(axis=1))
    rows, cols = linear_sum_assignment(np.concatenate([worth, share], axis=1), maximize=True)
    home = np.zeros(people, np.int64)
    for row, col in zip(rows, cols, strict=True):
        home[row] = col if col < count - 1 and worth[row, col] > 0 else int(mass[row].argmax())
    out = _without_specks(planes, areas)
    for blob in range(count - 1):
        here = [n for n in range(people) if home[n] == blob and mass[n, blob] > 0]
        strangers = [n for n in range(people) if n not in here and mass[n, blob] > 0]
        if here and strangers:
            place = blobs == blob + 1
            to = here[0]
            amount = sum(out[n][place] for n in strangers)
            if len(here) == 1:
                out[to][place] += amount
            else:
                best = np.stack([planes[n][place] for n in here])
                for n, won in zip(here, best == best.max(axis=0), strict=True):
                    out[n][place] += amount * won
            for n in strangers:
                out[n][place] = 0.0
        elif not here and size[blob] < 0.1 * areas[int(mass[:, blob].argmax())]:
            out[:, blobs == blob + 1] = 0.0
    return np.clip(out, 0.0, 1.0)


def _without_specks(planes: NDArray[np.float32], areas: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give small islands of a person to the people around them."""
    out = planes.copy()
    labels = np.where(planes.max(axis=0) > 0.5, planes.argmax(axis=0) + 1, 0).astype(np.int32)
    for n, area in enumerate(areas):
        count, parts, stats, _ = cv2.connectedComponentsWithStats((labels == n + 1).astype(np.uint8), connectivity=4)
        for part in range(1, count):
            if stats[part, cv2.CC_STAT_AREA] > 0.03 * area:
                continue
            x, y, w, h, _ = stats[part]
            window = (slice(max(0, y - 2), y + h + 2), slice(max(0, x - 2), x + w + 2))
            island = parts[window] == part
            rim = cv2.dilate(island.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~island
            votes = np.bincount(labels[window][rim], minlength=len(planes) + 1)
            votes[n + 1] = 0
            to = int(votes.argmax())
            view = out[(slice(None), *window)]
            if to:
                view[to - 1][island] += view[n][island]
            view[n][island] = 0.0
    return out
