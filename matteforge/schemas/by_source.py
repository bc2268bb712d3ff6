"""An order is checked as one of its source; what belongs to another is refused by its name."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import InitErrorDetails, PydanticCustomError


def by_source(
    kinds: Mapping[object, type[BaseModel]], default: str
) -> Callable[[Any, ValidatorFunctionWrapHandler], Any]:
    """A validator of mappings with a field `source`, which names one of `kinds`."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, dict):
            whole = isinstance(value, tuple(kinds.values()))
            return value if whole else kinds[default].model_validate(value)
        source = value.get("source", default)
        if not (isinstance(source, str) and source in kinds):
            raise _refusal(
                {"source": f"there are the sources {' and '.join(map(str, kinds))}"}, value
            )
        kind = kinds[source]
        owners = {name: other for other, spec in kinds.items() for name in spec.model_fields}
        foreign = {n: owners[n] for n in value if n in owners and n not in kind.model_fields}
        if foreign:
            raise _refusal(
                {
                    name: f"only orders of source {other!r} have it"
                    for name, other in foreign.items()
                },
                value,
            )
        return kind.model_validate(value)

    return validate


def _refusal(reasons: dict[str, str], value: dict[str, Any]) -> ValidationError:
    lines = [
        InitErrorDetails(
            type=PydanticCustomError("source", "{reason}", {"reason": reason}),
            loc=(name,),
            input=value[name],
        )
        for name, reason in reasons.items()
    ]
    return ValidationError.from_exception_data("order", lines)
