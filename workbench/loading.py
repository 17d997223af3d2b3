"""From a version's files to the version in memory: hashes first, then its content, then its golden predictions."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from workbench.errors import CorruptVersion, WorkbenchError
from workbench.evaluation import FeatureProfile, OutputProfile
from workbench.golden import Golden, prove
from workbench.kept_inputs import Keeper, of_version
from workbench.loaded_version import LoadedVersion, Reference
from workbench.records import Metadata
from workbench.scores import label_text
from workbench.served_version import Predictor, ServedVersion
from workbench.shelf import Shelf, of_bytes
from workbench.version_files import VersionFiles

log = logging.getLogger("workbench.versions")
MODEL, ERROR_MODEL = "model.joblib", "error_model.joblib"


def reference(files: VersionFiles, version_id: str) -> Reference:
    """What a version is measured by, without loading it; checked against its manifest.

    Raises
    ------
    UnknownVersion, CorruptVersion
    """
    # Here, and not above: who only lists versions does not need scipy.
    from workbench.holdout import Holdout

    return Reference(
        metadata=files.read(version_id, "metadata.json", Metadata),
        profile=files.read(version_id, "profile.json", tuple[FeatureProfile, ...]),
        holdout=files.read_new(version_id, "holdout.json", Holdout),
    )


def load(files: VersionFiles, version_id: str) -> LoadedVersion:
    """A whole version.

    Raises
    ------
    UnknownVersion
    CorruptVersion
        If a file is missing or changed, cannot be loaded, or answers otherwise than when it was published.
    """
    files.check(version_id)
    known = reference(files, version_id)
    return LoadedVersion(
        metadata=known.metadata,
        profile=known.profile,
        holdout=known.holdout,
        estimator=estimator(files, version_id, known.metadata),
        error_model=_unpickled(files, version_id, ERROR_MODEL) if ERROR_MODEL in files.hashes(version_id) else None,
        outputs=files.read_new(version_id, "outputs.json", OutputProfile),
        folder=files.path(version_id),
        keeper=_keeper(files, version_id, known.metadata),
    )


def _keeper(files: VersionFiles, version_id: str, metadata: Metadata) -> Keeper:
    try:
        return of_version(metadata.features, files.folder.parent)
    except WorkbenchError as error:
        raise CorruptVersion(f"{version_id} cannot be asked: {error}") from error


def estimator(files: VersionFiles, version_id: str, metadata: Metadata) -> Any:
    """What scikit-learn fitted, proven.

    Raises
    ------
    UnknownVersion, CorruptVersion
    """
    # Here, and not above: a version that is answered compiled needs no pandas and no scikit-learn.
    from workbench.ensemble import answer

    found = _unpickled(files, version_id, MODEL)
    golden = files.read(version_id, "golden.json", Golden)
    prove(version_id, lambda rows: answer(found, metadata.features, rows), metadata.task, golden)
    return found


def _unpickled(files: VersionFiles, version_id: str, name: str) -> Any:
    import joblib

    data = files.content(version_id, name)
    try:
        return joblib.load(io.BytesIO(data))
    except Exception as error:
        raise CorruptVersion(
            f"{version_id}: {name} cannot be loaded here: {error!r}; train a new version, or install the libraries it "
            f"was made with (`python main.py show {version_id}`)"
        ) from error


def served(files: VersionFiles, version_id: str, shelf: Shelf | None = None) -> ServedVersion:
    """A version to answer from: compiled where it is and still says what it said, else by scikit-learn.

    Parameters
    ----------
    shelf : Shelf, optional
        Where its arrays are shared with other workers.

    Raises
    ------
    UnknownVersion, CorruptVersion
    """
    metadata = files.read(version_id, "metadata.json", Metadata)
    golden = files.read(version_id, "golden.json", Golden)
    keeper = _keeper(files, version_id, metadata)

    def fitted() -> Any:
        return estimator(files, version_id, metadata)

    predictor = _compiled(files, version_id, metadata, golden, fitted, shelf)
    if predictor is None:
        predictor = Predictor(metadata.features, fitted)
        classes = getattr(predictor.estimator(), "classes_", ())
    else:
        assert predictor.compiled is not None
        classes = predictor.compiled.form.classes
    predictor.warm(golden.rows)
    return ServedVersion(
        id=version_id,
        schema=metadata.features,
        classes=tuple(label_text(c) for c in classes),
        predictor=predictor,
        keeper=keeper,
    )


def _compiled(
    files: VersionFiles,
    version_id: str,
    metadata: Metadata,
    golden: Golden,
    fitted: Callable[[], Any],
    shelf: Shelf | None,
) -> Predictor | None:
    """None where there is no compiled form, or it cannot be used on this machine."""
    told = metadata.compilation
    if told is None or told.why_not is not None:
        return None
    try:
        # Here, and not above: who serves none of them needs no numba.
        from workbench import compiled

        array = of_bytes if shelf is None else partial(shelf.array, version_id=version_id)
        form = compiled.read(partial(files.content, version_id), array)
        prove(version_id, form.answer, metadata.task, golden)
    except (CorruptVersion, ImportError, OSError, ValueError):
        # Nothing is lost but time: what scikit-learn fitted is checked and proven by itself.
        log.exception("%s cannot be answered compiled; scikit-learn answers it", version_id)
        return None
    return Predictor(metadata.features, fitted, form, told.crossover_rows)
