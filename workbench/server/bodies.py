"""What a caller may send, parsed once."""

from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator

from workbench.domain.limits import Limits
from workbench.errors import BadInputError

__all__ = [
    "ApproveBody",
    "DeployBody",
    "FeedBody",
    "KillBody",
    "LimitsBody",
    "OverrideBody",
    "PromoteBody",
    "ResumeBody",
    "StartBody",
    "StopBody",
    "parse_body",
]

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
Body = TypeVar("Body", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, str_strip_whitespace=True)


class _LimitedBody(_Body):
    limits: dict[str, Any] | None = None

    def parsed_limits(self) -> Limits | None:
        """The limits asked for, None for none."""
        return None if self.limits is None else Limits.from_json(self.limits)


class PromoteBody(_LimitedBody):
    """Promote a run, or a notebook of the project."""

    run_id: str | None = Field(default=None, min_length=1, max_length=64)
    notebook: str | None = Field(default=None, min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _exactly_one(self) -> "PromoteBody":
        if (self.run_id is None) == (self.notebook is None):
            raise ValueError("expected either run_id or notebook")
        return self


class ApproveBody(_Body):
    """Approve or refuse a release."""

    release_id: Digest
    decision: Literal["approved", "refused"]
    reason: Reason
    approver: str | None = Field(default=None, min_length=1, max_length=100)


class FeedBody(_Body):
    """Where the prices of a deployment come from."""

    kind: Literal["bars", "ticks", "stream"]
    start: date | None = None  # of a replay; four weeks before the end when left out
    end: date | None = None  # the first day left out; the data's end when left out
    per_second: float | None = Field(default=None, ge=0, le=1_000_000)  # bars or ticks; 0: as fast as it goes
    source: str = Field(default="", max_length=100)  # of a stream
    every_quote: StrictBool = False


class DeployBody(_LimitedBody):
    """Put a release on an account."""

    release_id: Digest
    account_id: str = Field(min_length=1, max_length=40)
    feed: FeedBody | None = None  # the account's own, or a replay of the last four weeks of bars


class StartBody(_Body):
    """Start a stopped deployment again."""

    deployment_id: str = Field(min_length=1, max_length=200)


class StopBody(_Body):
    """Stop a deployment."""

    deployment_id: str = Field(min_length=1, max_length=200)
    flatten: StrictBool


class ResumeBody(_Body):
    """Let a deployment that a control has halted trade on."""

    deployment_id: str = Field(min_length=1, max_length=200)


class LimitsBody(_Body):
    """Change the table of limits."""

    action: Literal["set", "propose", "approve", "withdraw"]
    reason: Reason
    name: str | None = Field(default=None, max_length=100)  # of set and propose, with scope and text
    scope: str | None = Field(default=None, max_length=200)
    text: str | None = Field(default=None, max_length=10_000)
    version: int | None = Field(default=None, ge=1)  # of approve and withdraw
    person: str | None = Field(default=None, min_length=1, max_length=100)

    @model_validator(mode="after")
    def _what_the_action_needs(self) -> "LimitsBody":
        value = (self.name, self.scope, self.text)
        if self.action in ("set", "propose"):
            if None in value or self.version is not None:
                raise ValueError(f"expected name, scope and text to {self.action}, and no version")
        elif self.version is None or value != (None, None, None):
            raise ValueError(f"expected the version of a change to {self.action}, and nothing else")
        return self


class OverrideBody(_Body):
    """Ask that one order may pass a soft control, approve or withdraw that."""

    action: Literal["ask", "approve", "withdraw"]
    reason: Reason
    deployment_id: str | None = Field(
        default=None, min_length=1, max_length=200
    )  # of ask, with the next four
    control: str | None = Field(default=None, pattern=r"^R[0-9]{2}$")
    instrument: str | None = Field(default=None, min_length=1, max_length=32)
    units: int | None = None  # the most to buy; below zero to sell
    minutes: int | None = Field(default=None, ge=1, le=15)
    number: int | None = Field(default=None, ge=1)  # of approve and withdraw
    person: str | None = Field(default=None, min_length=1, max_length=100)

    @model_validator(mode="after")
    def _what_the_action_needs(self) -> "OverrideBody":
        order = (self.deployment_id, self.control, self.instrument, self.units, self.minutes)
        if self.action == "ask":
            if None in order or self.number is not None:
                raise ValueError(
                    "expected deployment_id, control, instrument, units and minutes to ask, and no number"
                )
        elif self.number is None or order != (None,) * 5:
            raise ValueError(f"expected the number of an override to {self.action}, and nothing else")
        return self


class KillBody(_Body):
    """Throw or release the kill switch."""

    scope: str = Field(pattern=r"^(all|account:.+|deployment:.+)$")
    reason: Reason


def parse_body(kind: type[Body], data: bytes) -> Body:
    """The body of a request.

    Raises
    ------
    BadInputError
        It is not JSON of that form; the message names the first field that is wrong.
    """
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "the request"
        raise BadInputError(f"{name}: {first['msg']}") from None
