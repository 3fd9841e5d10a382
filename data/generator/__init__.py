"""Draws office forms whose ground truth is exact by construction.

A form is content (`domains/*.toml`: questions and value grammars, one file a domain) laid out in a
style (`layout`, `blocks`, `tables`), written on a `sheet` with real typefaces, then put through a
photocopier and a scanner (`scan`); boxes move with their pixels all the way.
"""
