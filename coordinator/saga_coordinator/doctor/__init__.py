"""Whether a participant's rows say what its sagas say: after its database was restored, some say
less.
"""
