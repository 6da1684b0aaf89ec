"""The horizon: what may be forgotten is found, stored, and announced to participants."""
