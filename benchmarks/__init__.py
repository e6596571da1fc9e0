"""The engine measured against faithful peers: `python -m gram_core bench`.

`peers` holds CLIP, CoOp, VPT and MAML as they are usually written, with the weights of the engine's
backbone; `work` the steps of both, `cases` the pairs that are compared; `measure` runs the two
sides of every pair in turns; `memory` measures peaks in processes of their own; `report` makes the
tables.
"""
