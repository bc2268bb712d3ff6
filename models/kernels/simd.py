"""8 or 16 float32 lanes as numba types, so that kernels state their vectors instead of hoping for
them.

16 lanes are one register where there is AVX-512, elsewhere two. Arrays are addresses: nothing is
counted or checked between a kernel's vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, models, register_model

_FLOAT, _INDEX, _PLACE = ir.FloatType(), ir.IntType(32), ir.IntType(64)


class Lanes(types.Type):
    """float32 values that are worked on together."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Lanes{width}")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, ir.VectorType(_FLOAT, kind.width))


_OPTIONS = {"nogil": True, "error_model": "numpy"}
function = njit(**_OPTIONS)
inline = njit(**_OPTIONS, forceinline=True)
_HERE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]


def compiled(kernel: Callable[..., None]) -> Callable[..., None]:
    """The kernel, compiled at its first call and cached in NUMBA_CACHE_DIR, beside its source, in
    the user's cache, or nowhere.

    numba knows by a kernel's name and file what is cached; what is compiled into it from here goes
    into the name.
    """
    kernel.__qualname__ += f"_{_HERE}"
    try:
        return njit(**_OPTIONS, cache=True)(kernel)
    except RuntimeError:  # neither can be written
        return njit(**_OPTIONS)(kernel)


_EIGHT, _SIXTEEN = Lanes(8), Lanes(16)
_Emit = Callable[..., Any]


def _pointer(
    builder: ir.IRBuilder, address: Any, index: Any, element: Any, pointee: Any = None
) -> Any:
    """The address of an element, as a pointer to `pointee`."""
    pointer = builder.gep(builder.inttoptr(address, element.as_pointer()), [index])
    return pointer if pointee is None else builder.bitcast(pointer, pointee.as_pointer())


def _splat(builder: ir.IRBuilder, scalar: Any, width: int) -> Any:
    first = builder.insert_element(
        ir.Constant(ir.VectorType(_FLOAT, width), ir.Undefined), scalar, _INDEX(0)
    )
    return builder.shuffle_vector(
        first, first, ir.Constant(ir.VectorType(_INDEX, width), [0] * width)
    )


def _constant(value: float, width: int) -> Any:
    return ir.Constant(ir.VectorType(_FLOAT, width), [value] * width)


def _splat_of(kind: Lanes) -> tuple[Any, _Emit]:
    return kind(types.float32), lambda context, builder, signature, args: _splat(
        builder, args[0], kind.width
    )


def _load_of(kind: Lanes) -> tuple[Any, _Emit]:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(
            _pointer(builder, args[0], args[1], _FLOAT, ir.VectorType(_FLOAT, kind.width)), align=4
        )

    return kind(types.intp, types.intp), emit


@intrinsic
def splat(_: Any, scalar: Any) -> tuple[Any, _Emit]:
    """Sixteen times the same value."""
    return _splat_of(_SIXTEEN)


@intrinsic
def splat_eight(_: Any, scalar: Any) -> tuple[Any, _Emit]:
    """Eight times the same value."""
    return _splat_of(_EIGHT)


@intrinsic
def load(_: Any, array: Any, index: Any) -> tuple[Any, _Emit]:
    """array[index : index + 16] of float32, unaligned."""
    return _load_of(_SIXTEEN)


@intrinsic
def load_eight(_: Any, array: Any, index: Any) -> tuple[Any, _Emit]:
    """array[index : index + 8] of float32, unaligned."""
    return _load_of(_EIGHT)


@intrinsic
def store(_: Any, array: Any, index: Any, lanes: Any) -> tuple[Any, _Emit]:
    """array[index : index + width] = lanes."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], _FLOAT, args[2].type), align=4)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, lanes), emit


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
        product = builder.fmul(_splat(builder, args[0], lanes.width), args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

    return lanes(types.float32, lanes, lanes), emit


@intrinsic
def multiply_add_lanes(_: Any, first: Any, second: Any, total: Any) -> tuple[Any, _Emit]:
    """first * second + total, lane by lane."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(
            builder.fmul(args[0], args[1], flags=("contract",)), args[2], flags=("contract",)
        )

    return first(first, first, first), emit


@intrinsic
def lane_sum(_: Any, lanes: Any) -> tuple[Any, _Emit]:
    """The sum of the eight lanes, in pairs at a distance of 4, 2 and 1."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = args[0]
        for distance in (4, 2, 1):
            order = [(lane + distance) % 8 for lane in range(8)]
            moved = builder.shuffle_vector(
                lanes, lanes, ir.Constant(ir.VectorType(_INDEX, 8), order)
            )
            lanes = builder.fadd(lanes, moved)
        return builder.extract_element(lanes, _INDEX(0))

    return types.float32(_EIGHT), emit


@intrinsic
def leaky_clamp(_: Any, lanes: Any, slope: Any, limit: Any) -> tuple[Any, _Emit]:
    """The leaky relu of lanes, clamped to +-limit."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        y, slope, limit = (
            args[0],
            _splat(builder, args[1], lanes.width),
            _splat(builder, args[2], lanes.width),
        )
        scaled = builder.fmul(y, slope)
        y = builder.select(builder.fcmp_ordered(">", y, scaled), y, scaled)
        y = builder.select(builder.fcmp_ordered(">", y, limit), limit, y)
        low = builder.fneg(limit)
        return builder.select(builder.fcmp_ordered("<", y, low), low, y)

    return lanes(lanes, types.float32, types.float32), emit


@intrinsic
def store_signs(
    _: Any, signs: Any, index: Any, lanes: Any, slope: Any, limit: Any
) -> tuple[Any, _Emit]:
    """Bytes from signs[index] on = a bit per lane: is it positive; then: will `leaky_clamp` leave
    it unclamped."""
    mask = ir.IntType(lanes.width)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, slope, limit = (
            args[2],
            _splat(builder, args[3], lanes.width),
            _splat(builder, args[4], lanes.width),
        )
        positive = builder.fcmp_ordered(">", x, _constant(0.0, lanes.width))
        y = builder.select(positive, x, builder.fneg(builder.fmul(x, slope)))
        inside = builder.fcmp_ordered("<=", y, limit)
        for offset, bits in enumerate((positive, inside)):
            builder.store(
                builder.bitcast(bits, mask),
                _mask_pointer(builder, args[0], args[1], offset, mask),
                align=1,
            )
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, lanes, types.float32, types.float32), emit


@intrinsic
def apply_signs(_: Any, signs: Any, index: Any, lanes: Any, slope: Any) -> tuple[Any, _Emit]:
    """lanes times the derivative of `leaky_clamp` that `store_signs` recorded."""
    mask = ir.IntType(lanes.width)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, slope, masks = args[2], _splat(builder, args[3], lanes.width), []
        for offset in range(2):
            bits = builder.load(_mask_pointer(builder, args[0], args[1], offset, mask), align=1)
            masks.append(builder.bitcast(bits, ir.VectorType(ir.IntType(1), lanes.width)))
        y = builder.select(masks[0], x, builder.fmul(x, slope))
        return builder.select(masks[1], y, _constant(0.0, lanes.width))

    return lanes(types.intp, types.intp, lanes, types.float32), emit


def _mask_pointer(builder: ir.IRBuilder, signs: Any, index: Any, offset: int, mask: Any) -> Any:
    place = builder.add(index, ir.Constant(index.type, offset * mask.width // 8))
    return _pointer(builder, signs, place, ir.IntType(8), mask)
