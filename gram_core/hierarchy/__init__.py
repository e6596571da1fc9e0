"""Image-text pairs in order: topics by what is said, in each of them domains by what is seen."""

from gram_core.hierarchy.clustering import Stages, cluster
from gram_core.hierarchy.config import ClusterConfig
from gram_core.hierarchy.hierarchy import Description, Hierarchy, Topic
from gram_core.hierarchy.words import tf_idf

__all__ = ["ClusterConfig", "Description", "Hierarchy", "Stages", "Topic", "cluster", "tf_idf"]
