"""Who: the TLS peer, the signature, the certificates behind both, and our own keys."""
