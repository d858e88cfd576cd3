"""One text tokenised once, and read by several runs."""

import os
import shutil
from pathlib import Path

from ...runs import RunFolder, make_folder, unwritable
from ..prepare import FIGURES


def share(folder: Path, run: RunFolder) -> None:
    """Give `run` the finished data in `folder`: the same files, linked where the disk can, so that
    preparing finds them whole.

    Raises:
        RunError: they cannot be written.
    """
    make_folder(run.data)
    figures = folder / Path(FIGURES).name
    for path in [*(p for p in folder.iterdir() if p != figures), figures]:  # figures: it is whole
        place = run.data / path.name
        if place.exists():
            continue
        try:
            os.link(path, place)
        except OSError:
            copy_aside = place.with_name(f".{place.name}.part")
            try:
                shutil.copyfile(path, copy_aside)
                os.replace(copy_aside, place)
            except OSError as error:
                raise unwritable(place, error) from None
