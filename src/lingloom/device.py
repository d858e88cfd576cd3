"""Device, precision, seeds, memory, and what the machine can do.

Nothing here asks for a CPU feature: where one is missing, a slower path gives the same answer.
"""

import ctypes
import hashlib
import os
import platform
import resource
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch

Precision = Literal["auto", "bf16", "fp32"]

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_PYTORCH_HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
_MOST, _TOP_PAD = (1 << 31) - 1, 64 << 20
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h
_KEPT_PRODUCTS = 128
"""Compiled products that stay in memory, half a megabyte each; a step has 10 to 60 of its own."""
_DEFAULT_PRODUCTS = 1024
_PRODUCT_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
_KEEP_MEMORY = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _MOST), (_M_TOP_PAD, _TOP_PAD))


# --------------------------------------------------------------------------- device, precision


def working_dtype(precision: Precision, device: torch.device | None = None) -> torch.dtype:
    """The type in which weights and activations are held while training.

    `auto` is bf16 where the hardware multiplies it natively, else fp32: emulated bf16 is slower.
    """
    if precision == "auto":
        on_gpu = device is not None and device.type == "cuda"
        native = torch.cuda.is_bf16_supported() if on_gpu else native_bf16()
        return torch.bfloat16 if native else torch.float32
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]


@lru_cache
def cpu_features() -> tuple[str, ...]:
    """The CPU's matrix features that matter here, as the kernel names them; empty if unknown."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return ()
    lines = (line.partition(":") for line in text.splitlines())
    flags = next((v for k, _, v in lines if k.strip() in ("flags", "Features")), "").split()
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "bf16")
    return tuple(name for name in wanted if name in flags)


def native_bf16() -> bool:
    """Whether the CPU multiplies bf16 numbers by itself."""
    return any(name in cpu_features() for name in ("avx512_bf16", "amx_bf16", "bf16"))


# --------------------------------------------------------------------------- randomness


def seed_all(*parts: int | str) -> None:
    """Make every later draw from torch's global generators follow from `parts` alone."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    torch.manual_seed(int.from_bytes(digest, "little") >> 1)


# --------------------------------------------------------------------------- speed


def matmul_peak(dtype: torch.dtype, device: torch.device | None = None) -> float:
    """Floating-point operations per second that large matrix products reach here, measured.

    The best of several products within half a second; remembered per type and thread count.
    """
    return _matmul_peak(dtype, torch.get_num_threads(), str(device or "cpu"))


@lru_cache
def _matmul_peak(dtype: torch.dtype, threads: int, device: str) -> float:
    side = 2048 if device == "cpu" else 8192
    a, b = (torch.full((side, side), 0.5, dtype=dtype, device=device) for _ in range(2))
    best, begun, done = float("inf"), time.perf_counter(), 0
    while done < 3 or (time.perf_counter() - begun < 0.4 and done < 50):
        start = time.perf_counter()
        a @ b
        if device != "cpu":
            torch.cuda.synchronize()
        best, done = min(best, time.perf_counter() - start), done + 1
    return 2 * side**3 / best


# --------------------------------------------------------------------------- memory


def peak_memory_bytes() -> int:
    """The most memory this process has held since it started."""
    for line in _lines("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def available_memory_bytes() -> int:
    """Memory that this process may still take: what is free, or what its control group allows."""
    free = _free_bytes()
    for limit, used in _cgroup_files():
        ceiling = _number(limit)
        if ceiling is not None and ceiling < 1 << 60:
            free = min(free, max(0, ceiling - (_number(used) or 0)))
    return free


def _free_bytes() -> int:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cgroup_files() -> list[tuple[Path, Path]]:
    """(limit, usage) of every control group above this process, versions 2 and 1."""
    root, found = Path("/sys/fs/cgroup"), []
    for line in _lines("/proc/self/cgroup"):
        _, controllers, place = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        folder = root / controllers / place.strip("/")
        v2 = ("memory.max", "memory.current")
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else v2
        while folder.is_relative_to(root):
            found.append((folder / names[0], folder / names[1]))
            folder = folder.parent
    return found


def _number(path: Path) -> int | None:
    """The number in a one-line file; None when it is absent or says 'max'."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []


# --------------------------------------------------------------------------- the allocator
#
# Training gives back and takes the same large tensors over and over. By default glibc returns each
# to the system, which clears it page by page, 4 KiB at a time, when it is taken again.
#
# In bf16 each matrix product is compiled for its shape, in 0.5 ms and 0.56 MB, and kept in two
# caches of 1,024 by default: with rows of many lengths that is a gigabyte, hardly ever used again.


def prepare_allocator() -> None:
    """Keep freed memory in this process, ask for huge pages where the system gives them, and keep
    few compiled products.

    To be called before the first tensor exists: PyTorch reads its switches once. Without Linux and
    glibc it changes nothing. Costs no memory beyond what was in use at the peak, but for holes that
    a small block behind them makes too tight for the next tensor of their size.
    """
    for cache in _PRODUCT_CACHES:
        os.environ.setdefault(cache, str(_KEPT_PRODUCTS))
    if _allocator_chosen_outside() or platform.libc_ver()[0] != "glibc":
        return
    os.environ.setdefault(_PYTORCH_HUGE_PAGES, "1")
    libc = ctypes.CDLL(None)
    for option, value in _KEEP_MEMORY:
        libc.mallopt(option, value)


def kept_products() -> int:
    """Compiled products that this process keeps at most."""
    given = os.environ.get(_PRODUCT_CACHES[0], "")
    return int(given) if given.isdecimal() else _DEFAULT_PRODUCTS


def release_memory() -> None:
    """Give freed memory back to the system: what one stage kept is of no use to the next, whose
    tensors have other sizes and whose threads have heaps of their own."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def allocator_report() -> str:
    """Which allocator serves this process and whether huge pages are to be had; for people."""
    if outside := _allocator_chosen_outside():
        return f"chosen from outside ({outside})"
    libc, version = platform.libc_ver()
    if libc != "glibc":
        return "the system's own; training is as fast as it allows"
    modes = "".join(_lines(_HUGE_PAGES))
    huge = "huge pages" if "[never]" not in modes and modes else "no huge pages on this system"
    return f"glibc {version}, freed memory kept, {huge}"


def _allocator_chosen_outside() -> str:
    """The environment variable by which a person has settled the matter, or nothing."""
    preload, tunables = os.environ.get("LD_PRELOAD", ""), os.environ.get("GLIBC_TUNABLES", "")
    if "malloc" in preload:
        return f"LD_PRELOAD={preload}"
    return f"GLIBC_TUNABLES={tunables}" if "glibc.malloc" in tunables else ""
