"""`saga demo`: the parts it starts, the orders it places, and the check of their effects."""
