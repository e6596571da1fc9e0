"""What methods and gradient rules are called, without what they are made of (and its imports)."""

from __future__ import annotations

METHOD_TITLES = {
    "zero-shot": "zero-shot",
    "tip-adapter": "Tip-Adapter",
    "tip-adapter-f": "Tip-Adapter-F",
    "coop": "CoOp",
    "cocoop": "CoCoOp",
    "language-deep": "Language-deep",
    "vpt": "VPT",
    "vpt-deep": "VPT-deep",
    "ivlp": "IVLP",
    "maple": "MaPLe",
}
#: Methods that learn prompt tokens, which meta-training can give a start and a regulator.
PROMPTED = ("coop", "cocoop", "language-deep", "vpt", "vpt-deep", "ivlp", "maple")
RULE_TITLES = {"raw": "raw gradients", "prograd": "ProGrad", "gram": "GRAM", "clip": "clipping"}


def row_title(method: str, rule: str = "raw") -> str:
    """A method under a rule, as a row of a table is called: "CoOp + GRAM", "UNIGRAM", "VPT"."""
    if (method, rule) == ("ivlp", "gram"):
        return "UNIGRAM"
    rules = [RULE_TITLES.get(each, each) for each in rule.split("+") if each != "raw"]
    return " + ".join([METHOD_TITLES.get(method, method), *rules])
