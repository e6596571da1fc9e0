"""The exchangeable stages that find clusters: a reducer and a clusterer, on CPU or GPU."""

from __future__ import annotations

import importlib.util
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gram_core.errors import GramError
from gram_core.threads import threads

Matrix = NDArray[np.float32]
Engine = Literal["auto", "cpu", "cuml"]


class Reducer(Protocol):
    """To fewer dimensions, as UMAP, PCA and others of their interface do it."""

    def fit_transform(self, rows: Matrix, target: Any = None) -> Any:
        """(n, c) the reduced rows that it was fitted on; the target is for the map alone."""

    def transform(self, rows: Matrix) -> Any:
        """(m, c) other rows, reduced in the same way."""


class Clusterer(Protocol):
    """Groups of dense rows, as HDBSCAN finds them."""

    def fit_predict(self, rows: Matrix) -> Any:
        """(n,) the cluster of each row that it was fitted on, -1 for none."""

    def predict(self, rows: Matrix) -> Any:
        """(m,) the cluster in which each of other rows would be, -1 for none."""


def has_cuml() -> bool:
    """Whether cuML is installed, which does the same on a GPU."""
    return importlib.util.find_spec("cuml") is not None


def on_gpu(engine: Engine) -> bool:
    """Whether that engine means cuML. Raises GramError where it is asked for and not there."""
    if engine == "cuml" and not has_cuml():
        raise GramError(
            'engine is "cuml", which is not installed here; install cuML for the GPU, or take '
            '"cpu" or "auto"'
        )
    return engine != "cpu" and has_cuml()


def make_reducer(engine: Engine, **options: Any) -> Reducer:
    """A UMAP with these options: umap-learn's, or cuML's on a GPU.

    cuML looks for neighbours itself and knows no cosine start from a drawing; what it does not
    know (`precomputed_knn`, an array as `init`, `n_jobs`) is left out for it.
    """
    if on_gpu(engine):
        from cuml.manifold import UMAP as GpuUmap

        known = {
            name: value
            for name, value in options.items()
            if name not in ("precomputed_knn", "n_jobs") and not isinstance(value, np.ndarray)
        }
        return GpuUmap(**known, output_type="numpy")
    from umap import UMAP

    return UMAP(**options)


def make_clusterer(engine: Engine, size: int, density: int) -> Clusterer:
    """An HDBSCAN of clusters of at least `size` rows, that also places rows it has not seen."""
    return _Hdbscan(on_gpu(engine), size, density)


class _Hdbscan:
    """HDBSCAN with the approximate prediction that its packages keep in a function beside it."""

    def __init__(self, gpu: bool, size: int, density: int) -> None:
        options: dict[str, Any] = {
            "min_cluster_size": size,
            "min_samples": density,
            "prediction_data": True,
        }
        if gpu:
            from cuml.cluster.hdbscan import HDBSCAN as GpuHdbscan
            from cuml.cluster.hdbscan import approximate_predict

            self._model = GpuHdbscan(**options, output_type="numpy")
        else:
            from hdbscan import HDBSCAN, approximate_predict

            self._model = HDBSCAN(**options, core_dist_n_jobs=threads())
        self._approximate_predict = approximate_predict

    def fit_predict(self, rows: Matrix) -> Any:
        return self._model.fit_predict(rows)

    def predict(self, rows: Matrix) -> Any:
        return self._approximate_predict(self._model, rows)[0]
