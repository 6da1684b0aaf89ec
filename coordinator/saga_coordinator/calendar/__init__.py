"""When a schedule ticks: cron expressions, elapsed intervals, time zones, exclusions. Pure.

`calendar.py` is what others use, `problems.py` says what is wrong. A tick is an instant, and its
name; docs/schedules.md has the rules about clock changes on one page.
"""
