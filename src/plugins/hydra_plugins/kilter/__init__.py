"""Kilter's plugin for Hydra; a package of this name is where Hydra looks for sweepers."""
