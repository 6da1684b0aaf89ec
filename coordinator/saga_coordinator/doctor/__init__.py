"""Whether what is stored fits together: tables, journals and states of the coordinator, its
positions in Kafka, and the rows of its participants. After a restore some say less.
"""
