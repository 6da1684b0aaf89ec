"""`saga demo`: the parts it starts, the orders it places, and how it counts what came of them."""
