"""What the page of one saga says, made of its view in pure functions."""
