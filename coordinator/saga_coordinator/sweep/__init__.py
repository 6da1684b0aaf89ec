"""Effects that nobody owns after a restore: participants tell their rows, and what belongs to no
saga goes on a list.
"""
