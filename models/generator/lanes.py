"""Eight float32 lanes as a numba type, so that kernels state their vectors instead of hoping for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

WIDTH = 8

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, WIDTH)
_MASK = ir.VectorType(ir.IntType(1), WIDTH)
_BYTE = ir.IntType(8)


class Lanes(types.Type):
    """Eight float32 values in one register."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, _VECTOR)


_LANES = Lanes()
_Emit = Callable[..., Any]


def _pointer(context: Any, builder: ir.IRBuilder, array_type: Any, array: Any, index: Any, pointee: Any) -> Any:
    """The address of a flat array's element, as a pointer to `pointee`. No bounds are checked."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), pointee.as_pointer())


def _splat(builder: ir.IRBuilder, scalar: Any) -> Any:
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


def _constant(value: float) -> Any:
    return ir.Constant(_VECTOR, [value] * WIDTH)


@intrinsic
def zero(_: Any) -> tuple[Any, _Emit]:
    """Eight zeros."""
    return _LANES(), lambda context, builder, signature, args: _constant(0.0)


@intrinsic
def load(_: Any, array: Any, index: Any) -> tuple[Any, _Emit]:
    """array[index : index + 8] of a flat float32 array, unaligned."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, array, *args, _VECTOR), align=4)

    return _LANES(array, types.intp), emit


@intrinsic
def store(_: Any, array: Any, index: Any, lanes: Any) -> tuple[Any, _Emit]:
    """array[index : index + 8] = lanes."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, array, *args[:2], _VECTOR), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, _LANES), emit


@intrinsic
def peek(_: Any, array: Any, index: Any) -> tuple[Any, _Emit]:
    """array[index] of a flat array for an index that isn't negative."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.gep(context.make_array(array)(context, builder, args[0]).data, [args[1]]))

    return array.dtype(array, types.intp), emit


@intrinsic
def multiply_add(_: Any, scalar: Any, lanes: Any, total: Any) -> tuple[Any, _Emit]:
    """scalar * lanes + total, one rounding where the processor has a fused instruction."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(_splat(builder, args[0]), args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

    return _LANES(types.float32, _LANES, _LANES), emit


@intrinsic
def leaky_clamp(_: Any, lanes: Any, slope: Any, limit: Any) -> tuple[Any, _Emit]:
    """The leaky relu of lanes, clamped to +-limit."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes, slope, limit = args[0], _splat(builder, args[1]), _splat(builder, args[2])
        y = builder.select(builder.fcmp_ordered(">", lanes, _constant(0.0)), lanes, builder.fmul(lanes, slope))
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
            builder.store(builder.bitcast(mask, _BYTE), _pointer(context, builder, signs, args[0], place, _BYTE))
        return context.get_dummy_value()

    return types.void(signs, types.intp, _LANES, types.float32, types.float32), emit


@intrinsic
def apply_signs(_: Any, signs: Any, index: Any, lanes: Any, slope: Any) -> tuple[Any, _Emit]:
    """lanes times the derivative of `leaky_clamp` that `store_signs` recorded."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes, slope = args[2], _splat(builder, args[3])
        masks = []
        for offset in range(2):
            place = builder.add(args[1], ir.Constant(args[1].type, offset))
            masks.append(builder.bitcast(builder.load(_pointer(context, builder, signs, args[0], place, _BYTE)), _MASK))
        y = builder.select(masks[0], lanes, builder.fmul(lanes, slope))
        return builder.select(masks[1], y, _constant(0.0))

    return _LANES(signs, types.intp, _LANES, types.float32), emit
