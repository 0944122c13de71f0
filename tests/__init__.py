"""The tests: `unit` mirrors the rooms of the service, `support` holds what tests share, the other folders say what they play."""
