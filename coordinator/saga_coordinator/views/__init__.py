"""What people see of one saga: its steps, its history, its journal, what it waits for."""
