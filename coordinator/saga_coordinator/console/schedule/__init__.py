"""What the pages about schedules say, made of rows. Pure."""
