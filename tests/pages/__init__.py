"""The pages of a cycle in a real browser."""
