"""Renders scenes with Cycles: the program of the renderer's process, and the only file that imports
bpy (GPL-3.0).

It knows nothing of MatteForge and is never imported by it: `process.py` starts it as a script. One
JSON object a line comes in on stdin: {"folder", "size_px", "samples", "denoise", "seed",
"threads"}; the folder holds scene.json and arrays.npz (`scene.py`). The picture goes to
picture.npy, float32 [h, w, 4], linear, premultiplied, top row first; then {"seconds"} or {"error"}
goes out on stdout, one line.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path

ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what Blender prints goes to stderr

import bpy  # noqa: E402
import mathutils  # noqa: E402
import numpy as np  # noqa: E402


def main() -> None:
    reply({"ready": bpy.app.version_string})
    for line in sys.stdin:
        began_s = time.perf_counter()
        try:
            request = json.loads(line)
            render(Path(request["folder"]), request)
            reply({"seconds": time.perf_counter() - began_s})
        except Exception:
            reply({"error": traceback.format_exc()})


def reply(message: dict) -> None:
    print(json.dumps(message), file=ANSWERS, flush=True)


def render(folder: Path, request: dict) -> None:
    """Build the scene from nothing, render it, write picture.npy."""
    description = json.loads((folder / "scene.json").read_text())
    with np.load(folder / "arrays.npz") as arrays:
        build(description, arrays)
    configure(request)
    scene = bpy.context.scene
    scene.render.filepath = str(folder / "picture.exr")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    pixels = np.empty(request["size_px"] ** 2 * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    picture = pixels.reshape(request["size_px"], request["size_px"], 4)[::-1]
    np.save(folder / "picture.npy", np.ascontiguousarray(picture))


def build(description: dict, arrays) -> None:
    clear()
    materials = {}
    for name, nodes in description["materials"].items():
        materials[name] = bpy.data.materials.new(name)
        fill(materials[name].node_tree or with_nodes(materials[name]), nodes)
    for mesh in description["meshes"]:
        add_mesh(mesh, arrays, materials[mesh["material"]])
    for strands in description["strands"]:
        add_strands(strands, arrays, materials[strands["material"]])
    for lamp in description["lamps"]:
        add_lamp(lamp)
    add_world(description["world"], arrays)
    add_camera(description["camera"])


def clear() -> None:
    data = bpy.data
    things = data.objects, data.meshes, data.hair_curves, data.lights, data.cameras, data.images
    for kind in (*things, data.materials, data.worlds):
        for block in list(kind):
            kind.remove(block, do_unlink=True)


def with_nodes(block):
    block.use_nodes = True  # Blender before 5
    return block.node_tree


def fill(tree, nodes: list) -> None:
    tree.nodes.clear()
    made: list = []
    for description in nodes:
        node = tree.nodes.new(description["kind"])
        for name, value in description["properties"].items():
            setattr(node, name, value)
        for key, value in description["inputs"]:
            if isinstance(value, dict):
                tree.links.new(made[value["node"]].outputs[value["output"]], node.inputs[key])
            else:
                node.inputs[key].default_value = value
        made.append(node)


def node(kind: str, inputs: dict | None = None, **properties) -> dict:
    """A node that `fill` takes; an input given as a pair is another node's output: (number, name or
    place)."""
    linked = {
        key: {"node": value[0], "output": value[1]} if isinstance(value, tuple) else value
        for key, value in (inputs or {}).items()
    }
    return {"kind": kind, "properties": properties, "inputs": list(linked.items())}


def add_object(data, material=None):
    made = bpy.data.objects.new("object", data)
    bpy.context.scene.collection.objects.link(made)
    if material is not None:
        data.materials.append(material)
    return made


def add_mesh(description: dict, arrays, material) -> None:
    points, faces = arrays[description["points"]], arrays[description["faces"]]
    mesh = bpy.data.meshes.new("mesh")
    mesh.vertices.add(len(points))
    mesh.vertices.foreach_set("co", points.ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(len(faces), dtype=np.int32) * faces.shape[1])
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    for name, key in description["attributes"].items():
        values = arrays[key]
        kind, slot = ("FLOAT", "value") if values.ndim == 1 else ("FLOAT_VECTOR", "vector")
        mesh.attributes.new(name, kind, "POINT").data.foreach_set(slot, values.ravel())
    mesh.update(calc_edges=True)
    made = add_object(mesh, material)
    made.visible_shadow = description["shadow"]


def add_strands(description: dict, arrays, material) -> None:
    points, radius = arrays[description["points"]], arrays[description["radius"]]
    curves = bpy.data.hair_curves.new("strands")
    curves.add_curves([points.shape[1]] * len(points))
    curves.attributes["position"].data.foreach_set("vector", points.ravel())
    attribute = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
    attribute.data.foreach_set("value", radius.ravel())
    if description["rgb"] is not None:
        colours = curves.attributes.new("rgb", "FLOAT_VECTOR", "CURVE").data
        colours.foreach_set("vector", arrays[description["rgb"]].ravel())
    made = add_object(curves, material)
    made.visible_diffuse = made.visible_glossy = made.visible_transmission = (
        False  # a speckle each, for no gain
    )


def add_world(description: dict, arrays) -> None:
    """A panorama, whose middle lies `turn_rad` from x about z."""
    picture = arrays[description["panorama"]]
    height, width, _ = picture.shape
    image = bpy.data.images.new("panorama", width, height, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"  # the numbers as they are
    image.pixels.foreach_set(
        np.dstack([picture[::-1], np.ones((height, width, 1), np.float32)]).ravel()
    )
    world = bpy.data.worlds.new("world")
    nodes = [
        node("ShaderNodeTexCoord"),
        node(
            "ShaderNodeMapping",
            {"Vector": (0, "Generated"), "Rotation": [0.0, 0.0, -description["turn_rad"]]},
        ),
        node("ShaderNodeTexEnvironment", {"Vector": (1, 0)}, image=image),
        node("ShaderNodeBackground", {"Color": (2, 0)}),
        node("ShaderNodeOutputWorld", {"Surface": (3, 0)}),
    ]
    fill(world.node_tree or with_nodes(world), nodes)
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 256
    bpy.context.scene.world = world


def add_lamp(description: dict) -> None:
    light = bpy.data.lights.new("lamp", description["kind"])
    light.energy, light.color = description["power"], description["rgb"]
    if description["kind"] == "SUN":
        light.angle = description["size"]
    else:
        light.size = description["size"]
    made = add_object(light)
    made.matrix_world = mathutils.Matrix(description["pose"])
    made.visible_glossy = (
        description["kind"] == "SUN"
    )  # what eyes and glasses mirror is in the panorama


def add_camera(description: dict) -> None:
    camera = bpy.data.cameras.new("camera")
    camera.sensor_width, camera.lens = description["sensor_mm"], description["focal_mm"]
    camera.clip_start = 0.01
    if description["f_number"]:
        camera.dof.use_dof = True
        camera.dof.focus_distance, camera.dof.aperture_fstop = (
            description["focus_m"],
            description["f_number"],
        )
    made = add_object(camera)
    made.matrix_world = mathutils.Matrix(description["pose"])
    bpy.context.scene.camera = made


def configure(request: dict) -> None:
    scene = bpy.context.scene
    scene.render.engine, scene.render.film_transparent = "CYCLES", True
    scene.render.resolution_x = scene.render.resolution_y = request["size_px"]
    scene.render.resolution_percentage = 100
    scene.render.threads_mode, scene.render.threads = "FIXED", request["threads"]
    scene.render.use_persistent_data = False
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_mode, scene.render.image_settings.color_depth = "RGBA", "32"
    scene.view_settings.view_transform = "Raw"
    scene.cycles_curves.shape, scene.cycles_curves.subdivisions = "RIBBONS", 2
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.seed = "CPU", request["samples"], request["seed"]
    cycles.use_adaptive_sampling = False
    cycles.pixel_filter_type, cycles.filter_width = "BOX", 1.0
    cycles.use_denoising, cycles.denoiser = request["denoise"], "OPENIMAGEDENOISE"
    cycles.denoising_input_passes, cycles.denoising_prefilter = "RGB_ALBEDO_NORMAL", "FAST"
    cycles.denoising_quality = "HIGH"
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = request.get("bounces", 1)
    cycles.transmission_bounces, cycles.transparent_max_bounces = 2, 6
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect, cycles.sample_clamp_direct = 2.0, 8.0
    cycles.use_auto_tile = False


if __name__ == "__main__":
    main()
