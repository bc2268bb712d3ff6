"""Shader graphs as plain data: what `blender.py` turns into Cycles nodes."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

Socket = dict[str, Any]
"""An output of a node: {"node": index, "output": name or position}."""
Value = float | Sequence[float] | NDArray[Any] | Socket
"""What an input takes: a number, a vector or colour (linear RGB in [0, 1] becomes RGBA), or another
node's output."""


class Graph:
    """Nodes in the order they were made; each {"kind", "properties", "inputs"}."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []

    def node(
        self,
        kind: str,
        inputs: Mapping[str | int, Value] | None = None,
        output: str | int = 0,
        **properties: Any,
    ) -> Socket:
        """A Blender node by its identifier; returns one of its outputs."""
        given = [[key, value] for key, value in (inputs or {}).items()]
        self.nodes.append({"kind": kind, "properties": properties, "inputs": given})
        return {"node": len(self.nodes) - 1, "output": output}

    def another(self, socket: Socket, output: str | int) -> Socket:
        """Another output of the node that a socket belongs to."""
        return {"node": socket["node"], "output": output}

    def attribute(self, name: str) -> Socket:
        """A vertex attribute, as a number."""
        return self.node("ShaderNodeAttribute", output="Fac", attribute_name=name)

    def mix(self, share: Value, first: Value, second: Value) -> Socket:
        """Colour: first * (1 - share) + second * share."""
        return self.node(
            "ShaderNodeMix",
            {0: share, 6: _rgba(first), 7: _rgba(second)},
            output=2,
            data_type="RGBA",
        )

    def maths(self, operation: str, first: Value, second: Value = 0.0) -> Socket:
        """Blender's maths node: ADD, MULTIPLY, SINE, GREATER_THAN, ..."""
        return self.node("ShaderNodeMath", {0: first, 1: second}, operation=operation)

    def times(self, *factors: Value) -> Socket:
        """A product."""
        product = factors[0]
        for factor in factors[1:]:
            product = self.maths("MULTIPLY", product, factor)
        assert isinstance(product, dict)
        return product

    def ramp(
        self, x: Value, low: float, high: float, bottom: float = 0.0, top: float = 1.0
    ) -> Socket:
        """x from [low, high] to [bottom, top], clamped."""
        return self.node("ShaderNodeMapRange", {0: x, 1: low, 2: high, 3: bottom, 4: top})

    def place(self) -> Socket:
        """Where the shaded point is, in metres."""
        return self.node("ShaderNodeTexCoord", output="Object")

    def noise(self, scale: float, detail: float = 2.0, place: Socket | None = None) -> Socket:
        """Perlin noise around 0.5; `scale` in features a metre."""
        inputs: dict[str | int, Value] = {
            "Vector": place or self.place(),
            "Scale": scale,
            "Detail": detail,
        }
        return self.node("ShaderNodeTexNoise", inputs)

    def cells(self, scale: float, output: str = "Distance") -> Socket:
        """Voronoi cells: distance to the nearest seed, `scale` seeds a metre."""
        return self.node(
            "ShaderNodeTexVoronoi", {"Vector": self.place(), "Scale": scale}, output=output
        )

    def bump(self, height: Value, strength: float, distance_m: float) -> Socket:
        """A normal that follows a height field."""
        return self.node(
            "ShaderNodeBump", {"Height": height, "Strength": strength, "Distance": distance_m}
        )

    def principled(self, colour: Value, **inputs: Value) -> Socket:
        """The all-round surface; inputs by Blender's names with _ for spaces, such as
        Base_Color."""
        named: dict[str | int, Value] = {
            name.replace("_", " "): value for name, value in inputs.items()
        }
        return self.node("ShaderNodeBsdfPrincipled", {"Base Color": _rgba(colour), **named})

    def cut_away(self, shader: Socket) -> Socket:
        """The shader, with a hole where the vertex attribute `cut` is negative."""
        there = self.maths("GREATER_THAN", self.attribute("cut"), 0.0)
        return self.node(
            "ShaderNodeMixShader", {0: there, 1: self.node("ShaderNodeBsdfTransparent"), 2: shader}
        )

    def surface(self, shader: Socket) -> "Graph":
        """Ends the graph of a material."""
        self.node("ShaderNodeOutputMaterial", {"Surface": shader})
        return self


def plain_material(
    rgb: Sequence[float], roughness: float = 0.5, specular: float = 0.5, metallic: float = 0.0
) -> Graph:
    """One colour all over."""
    graph = Graph()
    shader = graph.principled(
        rgb, Roughness=roughness, Specular_IOR_Level=specular, Metallic=metallic
    )
    return graph.surface(shader)


def _rgba(colour: Value) -> Value:
    if isinstance(colour, dict | float | int):
        return colour
    return [*(float(value) for value in colour[:3]), 1.0]
