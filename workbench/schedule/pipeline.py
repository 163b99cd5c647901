"""A pipeline's file: YAML with typed steps, in which nothing unknown is passed over.

Paths are relative to the file's folder. A value ``${name}`` stands for the pipeline's parameter `name`.
"""

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workbench.errors import BadInputError
from workbench.notebook import read_notebook, validate_parameters
from workbench.schedule.errors import BadPipelineError

__all__ = ["ImportStep", "NotebookStep", "Pipeline", "ReportStep", "Step", "check_target", "load_pipeline"]

Plain = str | int | float | bool | None | list[str] | list[int] | list[float]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,49}$")]
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Step(_Strict):
    name: Name
    always: bool = False  # also when a step before it failed


class ImportStep(_Step):
    """Import files of quotes into the market store; what is there already is left alone."""

    kind: Literal["import"]
    files: list[str] = Field(default=[], description="paths or patterns, as in data/*.csv")
    sample: bool = False  # the sample that comes with the workbench
    instrument: str = "EUR_USD"
    timeframe: str | None = None
    timezone: str | None = None
    side: Literal["bid", "ask", "mid"] | None = None
    format: str = "auto"

    @model_validator(mode="after")
    def _something(self) -> "ImportStep":
        if not self.files and not self.sample:
            raise ValueError("nothing to import: name files, or say sample: true")
        return self


class NotebookStep(_Step):
    """Run a notebook by papermill as one MLflow run."""

    kind: Literal["notebook"]
    notebook: str
    parameters: dict[str, Plain] = {}
    kernel: str = "workbench"
    timeout_s: float = Field(default=3_600.0, gt=0, le=86_400)


class ReportStep(_Step):
    """Run a report's notebook, which is told what the steps before it did, and keep it as one HTML file."""

    kind: Literal["report"]
    notebook: str
    parameters: dict[str, Plain] = {}
    kernel: str = "workbench"
    timeout_s: float = Field(default=600.0, gt=0, le=86_400)
    always: bool = True  # a failure is what a report is read for


Step = ImportStep | NotebookStep | ReportStep


class Pipeline(_Strict):
    """Steps that run one after the other; the first that fails ends the pipeline."""

    name: Name
    description: str = ""
    parameters: dict[str, Plain] = {}
    steps: list[Annotated[Step, Field(discriminator="kind")]] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _consistent(self) -> "Pipeline":
        names = [step.name for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError(f"expected each step's name once, found {', '.join(names)}")
        for step in self.steps:
            for reference in _REFERENCE.findall(str(step.model_dump(exclude={"name"}))):
                if reference not in self.parameters:
                    raise ValueError(
                        f"step {step.name} refers to the parameter {reference}, "
                        "which the pipeline does not have"
                    )
        return self

    def with_parameters(self, given: Mapping[str, Any]) -> "Pipeline":
        """The pipeline with the given parameters put in the place of its own.

        Raises
        ------
        BadPipelineError
            A parameter it does not have, or of another type than its own.
        """
        for name, value in given.items():
            if name not in self.parameters:
                raise BadPipelineError(
                    f"pipeline {self.name} has no parameter {name!r}; it has "
                    f"{', '.join(self.parameters) or 'none'}"
                )
            own = self.parameters[name]
            if own is not None and type(value) is not type(own):
                raise BadPipelineError(
                    f"pipeline {self.name}, parameter {name}: expected {type(own).__name__} as {own!r}, "
                    f"found {type(value).__name__} {value!r}"
                )
        values = {**self.parameters, **given}
        steps = [_filled(step.model_dump(), values) for step in self.steps]
        return _validated(
            {**self.model_dump(), "parameters": values, "steps": steps}, where=f"pipeline {self.name}"
        )


def load_pipeline(path: Path | str) -> Pipeline:
    """The pipeline in a file.

    Raises
    ------
    BadPipelineError
        No such file, not YAML, or not a pipeline; the message names the place.
    """
    path = Path(path)
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise BadPipelineError(f"expected a pipeline at {path}, found no such file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadPipelineError(f"expected a pipeline in YAML at {path}, could not read it: {error}") from None
    if not isinstance(value, dict):
        raise BadPipelineError(f"{path.name}: expected names like 'name' and 'steps', found {value!r:.60}")
    return _validated(value, where=path.name)


def check_target(path: Path, parameters: Mapping[str, Any]) -> None:
    """Check that a pipeline or notebook is there and takes these parameters.

    Raises
    ------
    BadInputError
        It can not be run so; the message says why.
    """
    if path.suffix in (".yaml", ".yml"):
        pipeline = load_pipeline(path).with_parameters(parameters)
        for step in pipeline.steps:
            if isinstance(step, NotebookStep | ReportStep):
                notebook = read_notebook(path.parent / step.notebook)
                if step.parameters:
                    validate_parameters(notebook, step.parameters)
        return
    if path.suffix == ".ipynb":
        notebook = read_notebook(path)
        if parameters:
            validate_parameters(notebook, parameters)
        return
    raise BadInputError(f"expected a pipeline (.yaml) or a notebook (.ipynb), found {path}")


class _Loader(yaml.SafeLoader):
    """Safe, and refuses a name that comes twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := {name for name in names if names.count(name) > 1}:
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(map(str, twice))} comes twice", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


def _validated(value: Mapping[str, Any], *, where: str) -> Pipeline:
    try:
        return Pipeline.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the pipeline"
        hint = "unknown name; remove it or correct its spelling" if first["type"] == "extra_forbidden" else ""
        raise BadPipelineError(
            f"{where}, {place}: {hint or first['msg'].removeprefix('Value error, ')}"
            + (f", found {first['input']!r:.60}" if not isinstance(first["input"], dict) else "")
        ) from None


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, values) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    if not isinstance(value, str):
        return value
    if whole := _REFERENCE.fullmatch(value):
        return values[whole[1]]
    return _REFERENCE.sub(lambda found: str(values[found[1]]), value)
