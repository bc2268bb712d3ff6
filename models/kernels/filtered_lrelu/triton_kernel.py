"""The filtered leaky relu on CUDA: one Triton kernel for values and for gradients, channels last.

A program makes a strip of columns of one image for 32 channels, a channel a lane, and walks down
the image's rows. The rows that it has read, and the sums that it has begun, lie in registers: an
upsampled sample never reaches memory. Where a gradient will be asked for, two bits of each are
kept: whether it was negative, and whether it was clamped. The gradient is the same operation with
the filters swapped (arXiv 2106.12423, section 3.2). What is launched with which numbers is in
`cuda.py`.
"""

# ruff: noqa: RUF005 (Triton knows no starred expressions)
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="assignment"
from __future__ import annotations

import triton
import triton.language as tl

INFER, RECORD, GRADIENT = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
SIZES = (
    "channels", "height", "width", "out_height", "out_width", "middle_rows", "strips", "words",
    "first_row", "first_column", "first_middle", "first_word", "rounds", "slope", "limit",
)  # fmt: skip  # a kernel serves all of them


@triton.jit
def _row(
    x, row, column, height, width, channels, lane, live, scale, bias,
    COUNT: tl.constexpr, SCALED: tl.constexpr,
):  # fmt: skip
    """COUNT samples of a row from `column` on, scaled, with bias, as float32; zeros outside."""
    here = x + row.to(tl.int64) * width * channels
    inside = live & (row >= 0) & (row < height)
    samples = ()
    for i in tl.static_range(COUNT):
        there = inside & (column + i >= 0) & (column + i < width)
        value = tl.load(here + (column + i) * channels + lane, mask=there, other=0.0)
        value = value.to(tl.float32)
        if SCALED:
            value = value * scale + tl.where(there, bias, 0.0)
        samples = samples + (value,)
    return samples


@triton.jit
def _pushed(line, fresh, COUNT: tl.constexpr):
    """A line of values that keeps its length: `fresh`, of COUNT, come in at its end."""
    return line[COUNT:] + fresh


@triton.jit
def _taps(filter, COUNT: tl.constexpr):
    taps = ()
    for k in tl.static_range(COUNT):
        taps = taps + (tl.load(filter + k),)
    return taps


@triton.jit
def _zeros(COUNT: tl.constexpr, BLOCK: tl.constexpr):
    values = ()
    for _ in tl.static_range(COUNT):
        values = values + (tl.zeros([BLOCK], tl.float32),)
    return values


@triton.jit
def _risen(
    line, taps, START: tl.constexpr, STEP: tl.constexpr, COUNT: tl.constexpr, PHASE: tl.constexpr,
    UP: tl.constexpr, TAPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """COUNT upsampled samples of every STEPth value of a line from START on.

    PHASE <= 0: how far the first of them is behind the line's first sample.
    """
    risen = ()
    for i in tl.static_range(COUNT):
        value = tl.zeros([BLOCK], tl.float32)
        for j in tl.static_range(TAPS // UP + 1):
            # the tap is (PHASE + i) % UP + TAPS - 1 - j * UP, where there is one
            if (PHASE + i) % UP - 1 - j * UP < 0 and (PHASE + i) % UP + TAPS - 1 - j * UP >= 0:
                sample = line[START + ((PHASE + i) // UP + j) * STEP]
                value = value + sample * taps[(PHASE + i) % UP + TAPS - 1 - j * UP]
        risen = risen + (value,)
    return risen


@triton.jit
def _activated(value, slope, limit, CLAMPED: tl.constexpr):
    """The clamped leaky relu, and its two bits."""
    bits = tl.where(value < 0, 1, 0)
    value = tl.where(value < 0, value * slope, value)
    if CLAMPED:
        bits = bits | tl.where(tl.abs(value) >= limit, 2, 0)
        value = tl.minimum(tl.maximum(value, -limit), limit)
    return value, bits


@triton.jit
def _derived(value, bits, slope, CLAMPED: tl.constexpr):
    """A gradient behind the clamped leaky relu, before it."""
    value = tl.where((bits & 1) != 0, value * slope, value)
    if CLAMPED:
        value = tl.where((bits & 2) != 0, 0.0, value)
    return value


@triton.jit(do_not_specialize=SIZES)
def filter_strips(
    x, y, scale, bias, rescale, bits, source, sums, ups, downs,
    channels, height, width, out_height, out_width, middle_rows, strips, words,
    first_row, first_column, first_middle, first_word, rounds, slope, limit,
    MODE: tl.constexpr, SCALED: tl.constexpr, RESCALED: tl.constexpr, CLAMPED: tl.constexpr,
    UP: tl.constexpr, DOWN: tl.constexpr, UP_TAPS: tl.constexpr, DOWN_TAPS: tl.constexpr,
    ROW_PHASE: tl.constexpr, COLUMN_PHASE: tl.constexpr, FIRST_BIT: tl.constexpr,
    TAKEN: tl.constexpr, MIDDLE: tl.constexpr, MADE: tl.constexpr, LEAD: tl.constexpr,
    OUT: tl.constexpr, WIDE: tl.constexpr, IN: tl.constexpr, HELD: tl.constexpr,
    WORDS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`rounds` rounds of rows after LEAD that fill the sums; a round takes TAKEN rows of x, makes
    MIDDLE upsampled rows and MADE of y. A strip has OUT columns, of IN of x and WIDE between."""
    strip, segment = tl.program_id(0) % strips, tl.program_id(0) // strips
    lane = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    live = lane < channels
    n = tl.program_id(2).to(tl.int64)
    factor, shift, again = 1.0, 0.0, 1.0
    if SCALED:
        factor = tl.load(scale + n * channels + lane, mask=live, other=0.0).to(tl.float32)
        shift = tl.load(bias + lane, mask=live, other=0.0).to(tl.float32)
    if RESCALED:
        again = tl.load(rescale + n * channels + lane, mask=live, other=0.0).to(tl.float32)
    rises, falls = _taps(ups, UP_TAPS), _taps(downs, DOWN_TAPS)
    x += n * height * width * channels
    row = first_row + segment * rounds * TAKEN
    column = first_column + strip * (8 // UP)
    middle = first_middle + segment * rounds * MIDDLE
    out_row, out_column = (segment * rounds - LEAD) * MADE, strip * OUT
    held, begun = _zeros(HELD * IN, BLOCK), _zeros((LEAD + 1) * MADE * OUT, BLOCK)
    for earlier in range(HELD):
        fresh = _row(x, row + earlier, column, height, width, channels, lane, live, factor, shift,
                     IN, SCALED and MODE != GRADIENT)  # fmt: skip
        held = _pushed(held, fresh, IN)
    total, product = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK], tl.float32)

    for _ in range(rounds + LEAD):
        fresh = ()  # read now, needed in the next round
        for i in tl.static_range(TAKEN):
            fresh = fresh + _row(
                x, row + HELD + i, column, height, width, channels, lane, live, factor, shift,
                IN, SCALED and MODE != GRADIENT,
            )  # fmt: skip
        for b in tl.static_range(MIDDLE):
            along = ()
            for i in tl.static_range(IN):
                along = along + _risen(held, rises, i, IN, 1, ROW_PHASE + b, UP, UP_TAPS, BLOCK)
            raw = _risen(along, rises, 0, 1, WIDE, COLUMN_PHASE, UP, UP_TAPS, BLOCK)
            at = ((n * middle_rows + middle + b) * words + strip) * channels + lane
            wide = ()
            if MODE == GRADIENT:
                known = live & (middle + b >= 0) & (middle + b < middle_rows)
                codes = ()
                for i in tl.static_range(WORDS):
                    word = strip + first_word + i
                    there = known & (word >= 0) & (word < words)
                    code = tl.load(bits + at + (first_word + i) * channels, mask=there, other=0)
                    codes = codes + (code.to(tl.int32),)
                for i in tl.static_range(WIDE):
                    code = codes[(FIRST_BIT + i) // 8] >> (2 * ((FIRST_BIT + i) % 8))
                    wide = wide + (_derived(raw[i], code, slope, CLAMPED),)
            else:
                kept = tl.zeros([BLOCK], tl.int32)
                for i in tl.static_range(WIDE):
                    value, code = _activated(raw[i], slope, limit, CLAMPED)
                    wide = wide + (value,)
                    if i < 8:
                        kept = kept | (code << (2 * i))
                if MODE == RECORD:
                    tl.store(bits + at, kept.to(tl.int16), mask=live & (middle + b < middle_rows))
            low = ()
            for i in tl.static_range(OUT):
                value = tl.zeros([BLOCK], tl.float32)
                for k in tl.static_range(DOWN_TAPS):
                    value = value + wide[i * DOWN + k] * falls[k]
                low = low + (value,)
            grown = ()
            for z in tl.static_range((LEAD + 1) * MADE):  # this row's tap in it, if it has one
                for i in tl.static_range(OUT):
                    value = begun[z * OUT + i]
                    if (
                        LEAD * MIDDLE + b - z * DOWN >= 0
                        and LEAD * MIDDLE + b - z * DOWN < DOWN_TAPS
                    ):
                        value = value + low[i] * falls[LEAD * MIDDLE + b - z * DOWN]
                    grown = grown + (value,)
            begun = grown
        for z in tl.static_range(MADE):
            for i in tl.static_range(OUT):
                value = begun[z * OUT + i]
                mine = (out_row + z >= segment * rounds * MADE) & (out_row + z < out_height)
                there = live & mine & (out_column + i < out_width)
                at = (n * out_height + out_row + z) * out_width + out_column + i
                at = at * channels + lane
                if MODE == GRADIENT and SCALED:
                    value = tl.where(there, value, 0.0)
                    total = total + value
                    seen = tl.load(source + at, mask=there, other=0.0).to(tl.float32)
                    product = product + value * seen
                    value = value * factor
                if RESCALED:
                    value = value * again
                tl.store(y + at, value.to(y.dtype.element_ty), mask=there)
        begun = _pushed(begun, _zeros(MADE * OUT, BLOCK), MADE * OUT)
        held = _pushed(held, fresh, TAKEN * IN)
        row += TAKEN
        middle += MIDDLE
        out_row += MADE
    if MODE == GRADIENT and SCALED:
        at = sums + (n * tl.num_programs(0) + tl.program_id(0)) * 2 * channels + lane
        tl.store(at, total, mask=live)
        tl.store(at + channels, product, mask=live)
