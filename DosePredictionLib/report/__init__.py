"""A report on one or several doses of a patient: a single HTML file that prints well and needs no network."""
