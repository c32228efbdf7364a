"""The cluster that the tests of this folder share."""

from tests.support.ray_cluster import ray_cluster, ray_driver

__all__ = ["ray_cluster", "ray_driver"]
