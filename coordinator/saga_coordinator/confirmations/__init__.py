"""Acts that a second person confirms: docs/operations.md, "Two people".

There is no login yet. Who acts is what the caller says, so this keeps honest people from mistakes,
and nobody from anything else.
"""
