"""The servers as ws4py has them, one module for each."""
