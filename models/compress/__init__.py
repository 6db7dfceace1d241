"""Pruning and quantisation of any torch module's weights, and honest sizes: index and codebooks are counted."""
