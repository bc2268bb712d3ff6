"""Errors and health on the wire (RFC 9457)."""

from pydantic import Field

from matteforge.schemas.base import Wire


class Health(Wire):
    """The service's own state."""

    status: str = Field(examples=["READY"])


class FieldError(Wire):
    """One thing wrong with a request."""

    pointer: str = Field(
        description="where, as a JSON pointer or the name of a parameter", examples=["/count"]
    )
    detail: str


class Problem(Wire):
    """An error by RFC 9457, sent as application/problem+json."""

    type: str = Field(examples=["urn:matteforge:problem:invalid_spec"])
    title: str = Field(examples=["What was sent is not valid."])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["count: Input should be greater than or equal to 1"])
    code: str = Field(description="stable, made for programs", examples=["invalid_spec"])
    errors: list[FieldError] | None = None
