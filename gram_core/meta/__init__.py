"""Meta-training: tasks from a hierarchy, meta-gradients, and the initialisation they lead to."""

from __future__ import annotations

from gram_core.meta.ablations import ABLATIONS, Ablation
from gram_core.meta.config import MetaConfig
from gram_core.meta.initialisation import Initialisation
from gram_core.meta.tasks import Task, TaskConfig, TaskSampler
from gram_core.meta.training import meta_train

__all__ = [
    "ABLATIONS",
    "Ablation",
    "Initialisation",
    "MetaConfig",
    "Task",
    "TaskConfig",
    "TaskSampler",
    "meta_train",
]
