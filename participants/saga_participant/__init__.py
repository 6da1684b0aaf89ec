"""The participant kit: handlers, barrier, answers.

What a microservice imports to take part in sagas.
"""

from saga_participant.outcomes import AnswerRefused, Failed, InProgress, Rejected, Unavailable
from saga_participant.participant import Participant
from saga_participant.step import Step
from saga_participant.tables import create_tables

__all__ = ["AnswerRefused", "Failed", "InProgress", "Participant", "Rejected", "Step", "Unavailable", "create_tables"]
