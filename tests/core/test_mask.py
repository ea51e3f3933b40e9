from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core import mask as installed
from geventws.core.mask import mask, masking_key, rotate
from tests.core.helpers import KEY, xor

Mask = Callable[..., bytes]

keys = st.binary(min_size=4, max_size=4)
# around wsaccel's threshold, and the vectors of the compiled loop
sizes = [*range(10), *range(62, 69), *range(254, 260), 511, 512, 513, 4096, 70001]


def load(file: str = "mask.py") -> ModuleType:
    """Return the source, run once more; it believes that it was loaded from *file*."""
    assert installed.__file__ is not None
    source = Path(installed.__file__).with_name("mask.py")
    spec = spec_from_file_location(installed.__name__, source)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    module.__file__ = file
    spec.loader.exec_module(module)
    return module


def load_without_wsaccel() -> ModuleType:
    """Return the source, run where wsaccel is not installed."""
    kept = sys.modules.get("wsaccel.xormask")
    sys.modules["wsaccel.xormask"] = None  # type: ignore[assignment]  # as import documents it
    try:
        return load()
    finally:
        del sys.modules["wsaccel.xormask"]
        if kept is not None:
            sys.modules["wsaccel.xormask"] = kept


WAYS = {
    "installed": mask,
    "wsaccel": load().mask,
    "integers": load_without_wsaccel().mask,
    "bytes": load("mask.so").mask,
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def test_the_compiled_twin_has_its_c_types_or_its_loop_would_be_slower_than_none() -> None:
    assert hasattr(installed, "_xor") != installed.COMPILED  # a C function is not to be seen


@every_way
@pytest.mark.parametrize("size", sizes)
def test_mask_is_the_definition_at_every_size(way: Mask, size: int) -> None:
    data = os.urandom(size)
    assert way(data, KEY, 0, size) == xor(data, KEY)


@every_way
@pytest.mark.parametrize("size", [0, 1, 5, 63, 64, 300])
@pytest.mark.parametrize("start", range(5))
def test_mask_takes_only_the_part_it_is_asked_for(way: Mask, size: int, start: int) -> None:
    data = os.urandom(start + size + 3)
    assert way(data, KEY, start, start + size) == xor(data[start : start + size], KEY)


@every_way
@pytest.mark.parametrize("size", [0, 1, 5, 63, 64, 300])
@pytest.mark.parametrize("before", [b"\x82\x85", b"\x82\xfe\x01\x2c", bytes(300)])
def test_mask_puts_a_head_before_it_unmasked(way: Mask, size: int, before: bytes) -> None:
    data = os.urandom(size)
    assert way(data, KEY, 0, size, before) == before + xor(data, KEY)


@every_way
@given(data=st.binary(max_size=300), key=keys)
def test_mask_is_its_own_inverse(way: Mask, data: bytes, key: bytes) -> None:
    assert way(way(data, key, 0, len(data)), key, 0, len(data)) == data


@given(data=st.binary(max_size=300), key=keys, ends=st.tuples(st.integers(0), st.integers(0)))
def test_every_way_of_masking_gives_the_same(
    data: bytes, key: bytes, ends: tuple[int, int]
) -> None:
    start, end = sorted(at % (len(data) + 1) for at in ends)
    expected = xor(data[start:end], key)
    assert {name: way(data, key, start, end) for name, way in WAYS.items()} == dict.fromkeys(
        WAYS, expected
    )


@every_way
@pytest.mark.parametrize("size", [3, 100])
def test_mask_takes_a_bytearray_and_returns_bytes(way: Mask, size: int) -> None:
    data = bytearray(os.urandom(size))
    masked = way(data, KEY, 0, size)
    assert type(masked) is bytes
    assert masked == xor(bytes(data), KEY)


@every_way
@pytest.mark.parametrize(
    ("key", "start", "end"),
    [
        pytest.param(KEY, 0, 11, id="end-behind-the-data"),
        pytest.param(KEY, -1, 5, id="start-before-the-data"),
        pytest.param(KEY, 6, 5, id="end-before-the-start"),
        pytest.param(b"", 0, 5, id="5.3-no-key"),
        pytest.param(b"abc", 0, 5, id="5.3-short-key"),
        pytest.param(b"abcde", 0, 5, id="5.3-long-key"),
    ],
)
def test_mask_never_leaves_the_data(way: Mask, key: bytes, start: int, end: int) -> None:
    with pytest.raises(ValueError, match="data: without such a part, or key: not of four bytes"):
        way(b"0123456789", key, start, end)


@pytest.mark.parametrize("by", [*range(9), 2**40 + 3])
def test_rotate_continues_a_key_after_so_many_bytes(by: int) -> None:
    assert rotate(b"0123", by) == bytes(b"0123"[(by + at) % 4] for at in range(4))


@given(data=st.binary(max_size=200), key=keys, at=st.integers(0, 200))
def test_masking_in_two_parts_is_masking_at_once(data: bytes, key: bytes, at: int) -> None:
    at = min(at, len(data))
    parts = mask(data, key, 0, at) + mask(data, rotate(key, at), at, len(data))
    assert parts == mask(data, key, 0, len(data))


def test_masking_keys_are_four_bytes_that_do_not_repeat() -> None:
    drawn = [masking_key() for _ in range(3 * installed.PAGE)]
    assert {len(key) for key in drawn} == {4}
    assert len(set(drawn)) > 0.99 * len(drawn)


def test_masking_keys_use_every_bit() -> None:
    drawn = b"".join(masking_key() for _ in range(installed.PAGE))
    assert set(drawn) == set(range(256))


def test_threads_that_draw_masking_keys_at_once_get_different_ones() -> None:
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: masking_key(), range(20_000)))
    assert {len(key) for key in drawn} == {4}
    assert len(set(drawn)) > 0.99 * len(drawn)


def test_a_forked_child_draws_other_masking_keys_than_its_parent() -> None:
    masking_key()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"".join(masking_key() for _ in range(100)))
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    assert len(theirs) == 400
    assert theirs != b"".join(masking_key() for _ in range(100))


def test_what_a_fork_runs_in_the_child_leaves_no_key_of_the_parents() -> None:
    twin = load()
    twin.masking_key()
    twin._forget()
    assert list(twin._keys) == []
