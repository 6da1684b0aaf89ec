"""The cases, one file a subject. `all_cases` puts them in the order of reports."""
