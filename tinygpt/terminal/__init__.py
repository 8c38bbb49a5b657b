"""What people see and type: the live view, tables of runs, samples as they are written, and the tasks themselves."""
