"""How many input tokens an LLM charges for one image, by the providers' published formulas.

Source: OpenAI, "Images and vision", section on calculating costs: older models cut the image into
512-px tiles, newer ones into 32-px patches. The real usage stands beside the estimate in the trace.
"""

from __future__ import annotations

from math import ceil, floor, sqrt

_TILE_PX = 512
_TILE_FIT_PX = 2048
_TILE_SHORT_SIDE_PX = 768
_PATCH_PX = 32
_PATCH_BUDGET = 1536

# (base, a tile), longest name first: "gpt-4o-mini" must not be read as "gpt-4o".
_TILE_MODELS = {
    "gpt-4o-mini": (2833, 5667),
    "gpt-4o": (85, 170),
    "gpt-4.1": (85, 170),
    "gpt-5": (70, 140),
    "o1": (75, 150),
    "o3": (75, 150),
}
# Tokens a patch.
_PATCH_MODELS = {
    "gpt-5.4-mini": 1.62,
    "gpt-5.4-nano": 2.46,
    "gpt-5-mini": 1.62,
    "gpt-5-nano": 2.46,
    "gpt-4.1-mini": 1.62,
    "gpt-4.1-nano": 2.46,
    "o4-mini": 1.72,
}


def estimate_image_tokens(llm: str, width: int, height: int) -> int | None:
    """Estimate the input tokens of one image at high detail.

    Args:
        llm: The LLM's name; a dated version ("gpt-4o-2024-11-20") counts as its family.
        width: Width of the image that is sent, px.
        height: Height of the image that is sent, px.

    Returns:
        Tokens, or None for an LLM whose formula is not published.
    """
    if (factor := _PATCH_MODELS.get(_family(llm))) is not None:
        return ceil(_patches(width, height) * factor)
    if (prices := _TILE_MODELS.get(_family(llm))) is not None:
        base, a_tile = prices
        return base + a_tile * _tiles(width, height)
    return None


def _family(llm: str) -> str:
    """Return the known model that `llm` is or is a dated version of, "" if there is none."""
    known = sorted((*_PATCH_MODELS, *_TILE_MODELS), key=len, reverse=True)
    return next((name for name in known if llm == name or llm.startswith(f"{name}-20")), "")


def _patches(width: int, height: int) -> int:
    """Count 32-px patches; an image over the budget is shrunk until whole patches fit it."""
    count = ceil(width / _PATCH_PX) * ceil(height / _PATCH_PX)
    if count <= _PATCH_BUDGET:
        return count
    shrink = sqrt(_PATCH_BUDGET * _PATCH_PX**2 / (width * height))
    across, down = width * shrink / _PATCH_PX, height * shrink / _PATCH_PX
    shrink *= min(max(floor(across), 1) / across, max(floor(down), 1) / down)
    count = ceil(round(width * shrink) / _PATCH_PX) * ceil(round(height * shrink) / _PATCH_PX)
    return min(count, _PATCH_BUDGET)  # a strip thinner than a patch cannot be shrunk to fit


def _tiles(width: int, height: int) -> int:
    """Count 512-px tiles after fitting into 2048 px and shrinking the short side to 768 px."""
    shrink = min(1.0, _TILE_FIT_PX / max(width, height))
    shrink *= min(1.0, _TILE_SHORT_SIDE_PX / (min(width, height) * shrink))
    return ceil(width * shrink / _TILE_PX) * ceil(height * shrink / _TILE_PX)
