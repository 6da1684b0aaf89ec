"""One command through the barrier: turns, commits, handler calls, and what may be answered
afterwards.
"""
