"""A picture cut out, as a Python method for both clients."""

from collections.abc import Iterator
from typing import Unpack

from matteforge.calls import Call, MatteOptions, bytes_of, call_of, path_of
from matteforge.errors import MatteForgeRequestError
from matteforge.methods import Steps, answered, ask
from matteforge.schemas.mattes import MatteOut
from matteforge.schemas.problems import Problem
from matteforge.waiting import Deadline


class MatteMethods:
    """What MatteForge does with a single picture. Errors as there."""

    @answered
    def matte(
        self, image: bytes, *, timeout_s: float | None = None, **options: Unpack[MatteOptions]
    ) -> Steps[tuple[MatteOut, bytes]]:
        """Cut a picture out: what is known of it, and a PNG. MatteForgeRequestError when the
        picture is refused, TimeoutError after `timeout_s`."""
        made = yield from ask(_upload(image, options))
        deadline, pauses_s = Deadline(timeout_s), _pauses_s()
        while made.state == "waiting":
            deadline.check(f"{made.id} is not done")
            yield next(pauses_s)
            made = yield from ask(call_of("GET", "mattes", made.id, schema=MatteOut))
        if made.error is not None:
            raise _refusal(made.error.code, made.error.detail)
        picture = yield from ask(bytes_of("mattes", made.id, "result"))
        return made, picture


def _upload(image: bytes, options: MatteOptions) -> Call[MatteOut]:
    files = {"image": image}
    if "background_image" in options:
        files["background_image"] = options["background_image"]
    return Call(
        method="POST",
        path=path_of("mattes"),
        read=lambda response: MatteOut.model_validate_json(response.content),
        files=files,
        form={name: str(value) for name, value in options.items() if name not in files},
    )


def _pauses_s() -> Iterator[float]:
    """Seconds between looks at a matte: short at first."""
    pause_s = 0.1
    while True:
        yield pause_s
        pause_s = min(1.5 * pause_s, 2.0)


def _refusal(code: str, detail: str) -> MatteForgeRequestError:
    return MatteForgeRequestError(
        Problem(
            type=f"urn:matteforge:problem:{code}", title="", status=422, detail=detail, code=code
        )
    )
