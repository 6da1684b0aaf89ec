"""The service's own database: sessions, the barrier's transactions, the guarded `db` of a
handler."""
