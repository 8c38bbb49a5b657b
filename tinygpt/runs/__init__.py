"""Runs on this machine: who is training what, how far they are, and how to stop, restore or detach one."""
