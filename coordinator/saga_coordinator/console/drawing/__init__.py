"""Drawings: SVG made by pure functions. Colours and type come from the stylesheet's classes."""
