"""Eight float32 lanes as a numba type, so that kernels state their vectors instead of hoping for them.

Arrays are addresses: nothing is counted or checked between a kernel's vectors. numba caches compiled kernels by their
own file alone: after a change here, touch the file of the kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, models, register_model

WIDTH = 8

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, WIDTH)
_MASK = ir.VectorType(ir.IntType(1), WIDTH)
_BYTE = ir.IntType(8)
_PLACE = ir.IntType(64)


class Lanes(types.Type):
    """Eight float32 values in one register."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, _VECTOR)


_OPTIONS = {"nogil": True, "error_model": "numpy"}
function = njit(**_OPTIONS)
inline = njit(**_OPTIONS, forceinline=True)


def compiled(kernel: Callable[..., None]) -> Callable[..., None]:
    """The kernel, compiled at its first call and cached beside its source, in the user's cache, or nowhere."""
    try:
        return njit(**_OPTIONS, cache=True)(kernel)
    except RuntimeError:  # neither can be written
        return njit(**_OPTIONS)(kernel)


_LANES = Lanes()
_Emit = Callable[..., Any]


def _pointer(builder: ir.IRBuilder, address: Any, index: Any, element: Any, pointee: Any = None) -> Any:
    """The address of an element, as a pointer to `pointee`."""
    pointer = builder.gep(builder.inttoptr(address, element.as_pointer()), [index])
    return pointer if pointee is None else builder.bitcast(pointer, pointee.as_pointer())


def _splat(builder: ir.IRBuilder, scalar: Any) -> Any:
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


def _constant(value: float) -> Any:
    return ir.Constant(_VECTOR, [value] * WIDTH)


@intrinsic
def splat(_: Any, scalar: Any) -> tuple[Any, _Emit]:
    """Eight times the same value."""
    return _LANES(types.float32), lambda context, builder, signature, args: _splat(builder, args[0])


@intrinsic
def load(_: Any, array: Any, index: Any) -> tuple[Any, _Emit]:
    """array[index : index + 8] of float32, unaligned."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], args[1], _FLOAT, _VECTOR), align=4)

    return _LANES(types.intp, types.intp), emit


@intrinsic
def store(_: Any, array: Any, index: Any, lanes: Any) -> tuple[Any, _Emit]:
    """array[index : index + 8] = lanes."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], _FLOAT, _VECTOR), align=4)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, _LANES), emit


@intrinsic
def peek(_: Any, array: Any, index: Any) -> tuple[Any, _Emit]:
    """array[index] of float32."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], args[1], _FLOAT))

    return types.float32(types.intp, types.intp), emit


@intrinsic
def poke(_: Any, array: Any, index: Any, scalar: Any) -> tuple[Any, _Emit]:
    """array[index] = scalar, a float32."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], _FLOAT))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float32), emit


@intrinsic
def peek_place(_: Any, array: Any, index: Any) -> tuple[Any, _Emit]:
    """array[index] of int64."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], args[1], _PLACE))

    return types.int64(types.intp, types.intp), emit


@intrinsic
def multiply_add(_: Any, scalar: Any, lanes: Any, total: Any) -> tuple[Any, _Emit]:
    """scalar * lanes + total, one rounding where the processor has a fused instruction."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(_splat(builder, args[0]), args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

    return _LANES(types.float32, _LANES, _LANES), emit


@intrinsic
def multiply_add_lanes(_: Any, first: Any, second: Any, total: Any) -> tuple[Any, _Emit]:
    """first * second + total, lane by lane."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(builder.fmul(args[0], args[1], flags=("contract",)), args[2], flags=("contract",))

    return _LANES(_LANES, _LANES, _LANES), emit


@intrinsic
def lane_sum(_: Any, lanes: Any) -> tuple[Any, _Emit]:
    """The sum of the lanes, in pairs at a distance of 4, 2 and 1."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = args[0]
        for distance in (4, 2, 1):
            order = [(lane + distance) % WIDTH for lane in range(WIDTH)]
            moved = builder.shuffle_vector(lanes, lanes, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), order))
            lanes = builder.fadd(lanes, moved)
        return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))

    return types.float32(_LANES), emit


@intrinsic
def leaky_clamp(_: Any, lanes: Any, slope: Any, limit: Any) -> tuple[Any, _Emit]:
    """The leaky relu of lanes, clamped to +-limit."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes, slope, limit = args[0], _splat(builder, args[1]), _splat(builder, args[2])
        scaled = builder.fmul(lanes, slope)
        y = builder.select(builder.fcmp_ordered(">", lanes, scaled), lanes, scaled)
        y = builder.select(builder.fcmp_ordered(">", y, limit), limit, y)
        low = builder.fneg(limit)
        return builder.select(builder.fcmp_ordered("<", y, low), low, y)

    return _LANES(_LANES, types.float32, types.float32), emit


@intrinsic
def store_signs(_: Any, signs: Any, index: Any, lanes: Any, slope: Any, limit: Any) -> tuple[Any, _Emit]:
    """signs[index : index + 2] = a bit per lane: is it positive, will `leaky_clamp` leave it unclamped."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes, slope, limit = args[2], _splat(builder, args[3]), _splat(builder, args[4])
        positive = builder.fcmp_ordered(">", lanes, _constant(0.0))
        y = builder.select(positive, lanes, builder.fneg(builder.fmul(lanes, slope)))
        inside = builder.fcmp_ordered("<=", y, limit)
        for offset, mask in enumerate((positive, inside)):
            place = builder.add(args[1], ir.Constant(args[1].type, offset))
            builder.store(builder.bitcast(mask, _BYTE), _pointer(builder, args[0], place, _BYTE))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, _LANES, types.float32, types.float32), emit


@intrinsic
def apply_signs(_: Any, signs: Any, index: Any, lanes: Any, slope: Any) -> tuple[Any, _Emit]:
    """lanes times the derivative of `leaky_clamp` that `store_signs` recorded."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes, slope = args[2], _splat(builder, args[3])
        masks = []
        for offset in range(2):
            place = builder.add(args[1], ir.Constant(args[1].type, offset))
            masks.append(builder.bitcast(builder.load(_pointer(builder, args[0], place, _BYTE)), _MASK))
        y = builder.select(masks[0], lanes, builder.fmul(lanes, slope))
        return builder.select(masks[1], y, _constant(0.0))

    return _LANES(types.intp, types.intp, _LANES, types.float32), emit
