"""How a saga looks on a terminal."""
