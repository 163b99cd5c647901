"""Features, labels, splits without leakage, training, and models in the form the live path has."""

from workbench.ml.errors import ConversionError, ModelFileError, NotEnoughDataError
from workbench.ml.features import FeatureTable, feature_table
from workbench.ml.judging import Fold, Judgement, judge
from workbench.ml.labels import Labels, direction
from workbench.ml.onnx_model import OnnxModel, load_model, save_model
from workbench.ml.splits import Split, walk_forward
from workbench.ml.training import train_logistic, train_mlp

__all__ = [
    "ConversionError",
    "FeatureTable",
    "Fold",
    "Judgement",
    "Labels",
    "ModelFileError",
    "NotEnoughDataError",
    "OnnxModel",
    "Split",
    "direction",
    "feature_table",
    "judge",
    "load_model",
    "save_model",
    "train_logistic",
    "train_mlp",
    "walk_forward",
]
