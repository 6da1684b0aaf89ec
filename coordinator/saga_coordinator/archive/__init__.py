"""Where finished sagas go before they are removed."""
