"""The HTML report: one file that needs no network, made of templates and what they show."""
