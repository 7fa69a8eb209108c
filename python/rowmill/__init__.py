"""Fitted scikit-learn pipelines as dataflows that rowmill serves.

    import rowmill
    rowmill.export(pipeline, ["outTemp", "barometer"], "model.fit.json", dataflow="model.toml")
    fitted = rowmill.load("model.fit.json")
"""

from . import models
from .exporting import CannotExport, export
from .fitted import Fitted, FittedStep, load

__all__ = ["CannotExport", "Fitted", "FittedStep", "export", "load", "models"]
