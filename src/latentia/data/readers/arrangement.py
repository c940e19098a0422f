"""Splits and labels, read off the names of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from latentia.core.errors import DataError
from latentia.data.raw import SPLITS, consecutive, split_of
from latentia.data.readers.labels import NO_LABEL, in_order

_PICTURES = frozenset(("images", "image", "imgs", "img", "pictures", "photos", "jpegimages"))
_TRUTH = frozenset(("ground_truth", "groundtruth"))
_MASKS = _TRUTH | {"gt", "mask", "masks", "annotations", "segmentations"}
_ASIDE = _MASKS | {"predict", "prediction", "pred", "seg_pred", "unlabelled", "unlabeled"}

Path = tuple[str, ...]


class Arrangement(NamedTuple):
    """What the names of a source's files say.

    Attributes:
        order: for each example the position of its file; files that are none are left out.
        labels: class of each example, -1 for none, or None if there are no classes.
        label_names: names of the classes, sorted by number where all are numbers.
        parts: positions of the splits among the examples; empty if there are none.
        left_out: what is no example, and how many files of it there are.
    """

    order: np.ndarray
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    parts: dict[str, np.ndarray]
    left_out: dict[str, int]


def arrange(names: Sequence[str], where: str = "the source") -> Arrangement:
    """Read splits and labels off the names of files.

    A single root folder is ignored. Folders are splits where they are called so (`split_of`) and stand for
    training and for something held out, or are all called so; what is in no such folder is then left out. The
    same holds one level deeper, where all first folders hold such folders: these are then the classes. A
    folder of masks beside one of images is left out. The first folder below is the label; a folder that is
    called `images`, or the like, beside classes is none.

    Args:
        names: paths inside the source, parts separated by slashes, in any order.
        where: the source, for messages.

    Returns:
        The order of the examples, their labels and splits.

    Raises:
        DataError: if a folder that is called after a held-out split stands beside others that are not called
            after any.
    """
    paths = dict(enumerate(_without_root([tuple(name.split("/")) for name in names])))
    aside: Counter[str] = Counter()
    split: dict[int, str | None] = dict.fromkeys(paths, None)
    level = _level(list(paths.values()), where)
    if level is None:
        paths = _without_masks(paths, aside)
    else:
        paths, split = _divided(paths, level, aside)
    place = {name: number for number, name in enumerate((None, *SPLITS))}
    order = sorted(paths, key=lambda i: (place[split[i]], paths[i]))
    classes = [paths[i][0] if len(paths[i]) > 1 else None for i in order]
    if len({*classes} - {None}) > 1:
        classes = [None if name and name.lower() in _PICTURES else name for name in classes]
    label_names = in_order({name for name in classes if name is not None})
    code: dict[str | None, int] = {name: number for number, name in enumerate(label_names)}
    labels = np.array([code.get(name, NO_LABEL) for name in classes], dtype=np.int64) if label_names else None
    found = Counter(split[i] for i in order)
    parts = consecutive({name: found[name] for name in SPLITS if found[name]})
    left_out = {f"picture{'s' * (count != 1)} {what}": count for what, count in aside.most_common()}
    return Arrangement(np.array(order, dtype=np.int64), labels, label_names, parts, left_out)


def _without_root(paths: list[Path]) -> list[Path]:
    while len({path[0] for path in paths}) == 1 and all(len(path) > 1 for path in paths):
        paths = [path[1:] for path in paths]
    return paths


def _level(paths: list[Path], where: str) -> int | None:
    """Find how deep the folders lie that are splits; None where there are none."""
    deep = [path for path in paths if len(path) > 1]
    tops = {path[0]: split_of(path[0]) for path in deep}
    called = {split for split in tops.values() if split}
    others = sorted(name for name, split in tops.items() if split is None)
    if called and (not others or ("train" in called and len(called) > 1)):
        return 0
    if called - {"train"}:
        held = next(name for name, split in tops.items() if split not in (None, "train"))
        named = ", ".join(map(repr, others[:3])) + ", ..." * (len(others) > 3)
        raise DataError(
            f"{where}: holds '{held}' beside {named}: if '{held}' is held out, put the others into a folder "
            "'train'; if it is a class, call it otherwise"
        )
    if called:
        classes = any(len(path) > 2 for path in deep if tops[path[0]] == "train")
        return 0 if classes or all(name.lower() in _ASIDE for name in others) else None
    inside: dict[str, set[str | None]] = {}
    for path in deep:
        inside.setdefault(path[0], set()).add(split_of(path[1]) if len(path) > 2 else None)
    divided = inside and all(
        "train" in splits and splits & {"test", "validation"} for splits in inside.values()
    )
    return 1 if divided else None


def _divided(
    paths: dict[int, Path], level: int, aside: Counter[str]
) -> tuple[dict[int, Path], dict[int, str | None]]:
    """Take the folders of splits out of paths, and count what lies in none."""
    split: dict[int, str | None] = {}
    kept: dict[int, Path] = {}
    for index, path in paths.items():
        found = split_of(path[level]) if len(path) > level + 1 else None
        if found is None:
            folder = path[level] if len(path) > level + 1 else None
            aside[f"in {folder}/" if folder else "beside the folders of splits"] += 1
            continue
        split[index] = found
        kept[index] = path[:level] + path[level + 1 :]
    for name in SPLITS:  # training_set/training_set/cats, as some archives have it
        own = [index for index in kept if split[index] == name]
        second = {kept[index][0] if len(kept[index]) > 1 else None for index in own}
        only = second.pop() if len(second) == 1 else None
        if only and split_of(only) == name:
            kept.update({index: kept[index][1:] for index in own})
    return kept, split


def _without_masks(paths: dict[int, Path], aside: Counter[str]) -> dict[int, Path]:
    """Leave out folders of masks where images stand beside them."""
    tops = {path[0] for path in paths.values() if len(path) > 1}
    lowered = {name.lower() for name in tops}
    masks = _MASKS if lowered & _PICTURES else _TRUTH
    names = {name for name in tops if name.lower() in masks}
    if not names or names == tops:
        return paths
    for path in paths.values():
        if len(path) > 1 and path[0] in names:
            aside[f"in {path[0]}/"] += 1
    kept = {index: path for index, path in paths.items() if len(path) == 1 or path[0] not in names}
    return dict(zip(kept, _without_root(list(kept.values())), strict=True))
