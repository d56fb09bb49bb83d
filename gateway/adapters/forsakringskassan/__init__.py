"""Our own contracts: what Försäkringskassan sends to several sorts of partners in one form."""
