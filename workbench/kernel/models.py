"""Models in a notebook: judged, kept under their hash, registered in MLflow."""

from typing import TYPE_CHECKING

from workbench.kernel.results import track
from workbench.kernel.session import current_session
from workbench.kernel.showing import note, show, show_result

if TYPE_CHECKING:
    from workbench.ml import Judgement, OnnxModel

__all__ = ["keep_model", "show_judgement"]


def show_judgement(judgement: "Judgement") -> None:
    """Show how a model did when it was walked forward, and log it to the session's MLflow run."""
    import pandas as pd

    folds = pd.DataFrame(
        [
            {
                "block": number,
                "trained on": fold.train_size,
                "tested on": fold.test_size,
                "AUC": fold.auc,
                "hit rate": fold.hit_rate,
                "base rate": fold.base_rate,
            }
            for number, fold in enumerate(judgement.folds, start=1)
        ]
    ).set_index("block")
    name = judgement.name.replace(" ", "_")
    track(**{f"{name}_folds": folds, f"{name}_auc": judgement.mean_auc})
    current_session().made("judgement", judgement.digest)
    show(folds.round(3))
    show_result("judgement", judgement.digest, judgement.sentence())


def keep_model(model: "OnnxModel", *, name: str) -> None:
    """Keep a model under its hash in the home, and in research register it in MLflow under `name`."""
    from workbench.ml import save_model

    session = current_session()
    save_model(model, session.settings.home / "models")
    registered = ""
    if session.logs:
        from workbench.tracking import log_onnx_model, register_model

        uri = log_onnx_model(session.run_id(), model.content, name=name)
        version = register_model(uri, name)
        registered = f", registered in MLflow as {name} version {version}"
    session.made("model", model.digest)
    # the version counts up at each run, the digest is what a reproduction must meet
    show_result("model", model.digest, f"Model {model.digest[:16]}.")
    if registered:
        note(f"Kept as {model.digest}{registered}.")
