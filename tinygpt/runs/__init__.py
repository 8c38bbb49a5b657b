"""Training runs on this machine: their state and progress, and stopping, restoring or detaching one."""
