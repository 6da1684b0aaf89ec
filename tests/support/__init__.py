"""What several test folders share: a coordinator in this process, scripted participants,
definitions made for a test."""
