"""What the coordinator says to a participant about no single saga: heard, answered, and acted on in
the background."""
