"""When a dataset is deleted by itself, as it is ordered and as it may be changed."""

from typing import Annotated

from pydantic import AwareDatetime, Field, model_validator

from matteforge.schemas.base import Frozen

LONGEST_S = 100 * 366 * 86400


class Expiring(Frozen):
    """The end of an order's data: a time, or seconds from the order on. Neither: as the service's
    policy for its labels says, else never."""

    expires_at: Annotated[AwareDatetime | None, Field(strict=False)] = Field(
        None, description="the dataset is deleted then, or once it has ended if that is later"
    )
    expires_in_s: int | None = Field(
        None, ge=60, le=LONGEST_S, description="the same, in seconds from the order on"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> "Expiring":
        if self.expires_at is not None and self.expires_in_s is not None:
            raise ValueError("give either expires_at or expires_in_s")
        return self


class ExpiryIn(Frozen):
    """Another end, or none."""

    expires_at: AwareDatetime | None = Field(description="null: never")
