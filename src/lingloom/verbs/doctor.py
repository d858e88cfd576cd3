"""`lingloom doctor`: what is installed, what is missing, and the one command that mends it."""

import os
import platform
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import requires

from ..native.kernels import kernels_report
from ..runs import installed_version
from .console import answer, bytes_text, read_words

CORE_FOR = {
    "torch": "models and training",
    "numpy": "data in memory",
    "tokenizers": "tokenizers",
    "tiktoken": "fast byte-level BPE",
    "safetensors": "weights",
    "pyarrow": "parquet, zstd, documents on disk",
    "pydantic": "settings",
    "PyYAML": "recipes",
    "jinja2": "reports",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: str
    """'ok', 'missing' or 'note'."""
    says: str
    mend: str = ""
    """The command that mends it."""


def run(arguments: list[str]) -> int:
    """Print every finding; exit code 1 when something that is needed is missing."""
    words = read_words("doctor", arguments, needs=0, takes=0, schema=None)
    if words is None:
        return 0
    findings = [*_packages(), _kernels()]
    if not any(f.state == "missing" for f in findings):
        findings += _machine()
    if words.json:
        answer([asdict(f) for f in findings])
    else:
        for f in findings:
            sign = {"ok": "✓", "missing": "✗", "note": "·"}[f.state]
            print(f"{sign} {f.what:<22} {f.says}" + (f"\n    mend: {f.mend}" if f.mend else ""))
    return int(any(f.state == "missing" for f in findings))


def _packages() -> list[Finding]:
    """Core packages by name, extras by what of theirs is missing."""
    findings = [Finding("python", "ok", platform.python_version())]
    for name, use in CORE_FOR.items():
        found = installed_version(name)
        if found:
            findings.append(Finding(name, "ok", f"{found}, for {use}"))
        else:
            mend = f"pip install {name}"
            findings.append(Finding(name, "missing", f"needed for {use}", mend))
    for extra, wanted in extras().items():
        absent = [name for name in wanted if installed_version(name) is None]
        if absent:
            says, mend = f"not installed: {', '.join(absent)}", f"pip install 'lingloom[{extra}]'"
            findings.append(Finding(f"extra '{extra}'", "note", says, mend))
        else:
            findings.append(Finding(f"extra '{extra}'", "ok", ", ".join(wanted)))
    return findings


def _kernels() -> Finding:
    there, says, mend = kernels_report()
    return Finding("kernels of our own", "ok" if there else "note", says, mend)


def _machine() -> list[Finding]:
    import torch

    from ..device import allocator_report, available_memory_bytes, cpu_features, matmul_peak

    peaks = {
        name: matmul_peak(dtype)
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
    speed = ", ".join(f"{name} {peak / 1e9:,.0f} GFLOP/s" for name, peak in peaks.items())
    findings = [
        Finding(
            "processor", "ok", f"{os.cpu_count()} cores; {' '.join(cpu_features()) or 'plain'}"
        ),
        Finding(
            "matrix products", "ok", f"{speed}, measured with {torch.get_num_threads()} threads"
        ),
        Finding("memory", "ok", f"{bytes_text(available_memory_bytes())} free"),
        Finding("disk", "ok", f"{bytes_text(shutil.disk_usage('.').free)} free here"),
        Finding("memory allocator", "ok", allocator_report()),
    ]
    if torch.cuda.is_available():
        findings.append(Finding("gpu", "ok", torch.cuda.get_device_name()))
    else:
        findings.append(Finding("gpu", "note", "none; everything runs on the processor"))
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler:
        findings.append(Finding("compiler", "ok", f"{compiler}, for train.compile=true"))
    else:
        mend = "apt-get install g++, or your system's like"
        findings.append(Finding("compiler", "note", "none: train.compile=true needs g++", mend))
    return findings


def extras() -> dict[str, list[str]]:
    """Extra -> the packages it brings, as the installed package declares them."""
    found: dict[str, list[str]] = {}
    for line in requires("lingloom") or []:
        requirement, _, marker = line.partition(";")
        if "extra ==" not in marker or "lingloom[" in requirement:
            continue
        extra = marker.split("extra ==")[1].strip().strip("'\"")
        name = requirement.split("[")[0]
        for sign in "<>=!~ ":
            name = name.split(sign)[0]
        found.setdefault(extra, []).append(name.strip())
    return found
