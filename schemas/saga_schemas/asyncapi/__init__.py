"""AsyncAPI 3 documents: who sends what to whom on which topic, for the tools that people have.

`contracts` is what goes in: the records that a participant takes and gives, the inputs of
definitions. `documents` puts a document together, for one participant or for a coordinator. It is a
dictionary, ready for JSON. Nothing here reads files or asks anybody.
"""

from saga_schemas.asyncapi.contracts import CommandContract, StartContract
from saga_schemas.asyncapi.documents import coordinator_document, participant_document

__all__ = ["CommandContract", "StartContract", "coordinator_document", "participant_document"]
