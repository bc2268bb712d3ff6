"""The renderer's process: starts `blender.py`, hands it scenes, and starts it anew when it dies or
has done enough."""

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import RendererFailed, SourceUnavailable
from models.renderer.availability import available
from models.renderer.blender.picture import MEMBERS, RenderedPicture
from models.renderer.render import Quality, Survey, finish, survey
from models.renderer.scene.scene import Scene
from models.renderer.spec import SubjectSpec

PROGRAM = Path(__file__).with_name("program.py")
LINEAR_FILE = "picture.npy"


class RenderProcess:
    """Renders portraits, one after the other, on `threads` cores. Starts at the first; use as a
    context.

    Raises SourceUnavailable at the first picture where bpy is missing. The process is renewed after
    `renew_after` pictures, which bounds what leaks. `python`: interpreter that has bpy.
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        renew_after: int = 200,
        python: str = sys.executable,
        timeout_s: float = 600.0,
    ) -> None:
        self._threads, self._renew_after, self._python, self._timeout_s = (
            threads,
            renew_after,
            python,
            timeout_s,
        )
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None
        self._rendered = 0

    def __enter__(self) -> "RenderProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the child, which must have rendered something."""
        assert self._process is not None
        return self._process.pid

    def survey(self, spec: SubjectSpec) -> Survey:
        """A subject as geometry, and whether it is fit to be drawn; asks nothing of Blender."""
        return survey(spec)

    def draw(
        self,
        surveyed: Survey,
        size: int = 256,
        members: Sequence[str] = MEMBERS,
        quality: Quality | None = None,
        photos: Path | None = None,
    ) -> RenderedPicture:
        """Draw one subject, fit or not, with `photos` (a folder) before a crop of a photograph.

        Raises RendererFailed if the process dies twice on this spec, SourceUnavailable where it
        can't start.
        """
        quality = quality or Quality()
        linear = self.render_scene(surveyed.scene, size, quality.samples, surveyed.spec.seed)
        return finish(
            surveyed, linear, size=size, members=tuple(members), quality=quality, photos=photos
        )

    def render_scene(
        self, scene: Scene, size: int, samples: int, seed: int, denoise: bool = True
    ) -> NDArray[np.float32]:
        """What Cycles sees: float32 [size, size, 4], linear, premultiplied. Raises
        RendererFailed."""
        request = {
            "size_px": size,
            "samples": samples,
            "seed": seed % 2**31,
            "denoise": denoise,
            "threads": self._threads,
        }
        with tempfile.TemporaryDirectory(prefix="matteforge-render-") as name:
            scene.save(Path(name))
            try:
                self._ask({"folder": name, **request})
            except RendererDied:
                try:
                    self._ask({"folder": name, **request})
                except RendererDied as error:
                    raise RendererFailed(
                        f"the renderer died twice on one portrait: {error}"
                    ) from error
            linear: NDArray[np.float32] = np.load(Path(name) / LINEAR_FILE)
        return linear

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            if self._process.stdin is not None:
                with contextlib.suppress(
                    BrokenPipeError
                ):  # of a request that a dead process never took
                    self._process.stdin.close()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        if self._log is not None:
            self._log.close()
        self._process, self._log, self._rendered = None, None, 0

    def _ask(self, request: dict[str, Any]) -> None:
        if self._rendered >= self._renew_after:
            self.close()
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            raise self._died() from error
        watch = threading.Timer(self._timeout_s, process.kill)
        watch.start()
        try:
            answer = self._answer(process)
        finally:
            watch.cancel()
        if "error" in answer:
            raise RendererFailed(f"Blender refused the scene: {answer['error']}")
        self._rendered += 1

    def _start(self) -> subprocess.Popen[str]:
        missing = available() if self._python == sys.executable else None
        if missing:
            raise SourceUnavailable(missing)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        command = [self._python, "-P", str(PROGRAM)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._answer(self._process)
        return self._process

    def _answer(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> "RendererDied":
        tail = ""
        if self._log is not None:
            self._log.seek(0)
            tail = self._log.read()[-2000:].decode(errors="replace")
        self.close()
        return RendererDied(tail)


class RendererDied(Exception):
    """The process ended without an answer; its last words."""
