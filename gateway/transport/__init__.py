"""HTTP and TLS: bytes from a partner's connection to `Received`, and an answer or a SOAP fault back.

    tls          the server's side of mutual TLS          protocol   one connection: peer certificate, time limits
    front        the message address                      body       headers and body of one request, within limits
    description  WSDL and XSD                             reply      what goes back, faults among it
    health       live and ready                           server     uvicorn in this process; workers: in several

Nobody speaks to the gateway without a client certificate: health and contracts are served on the same listener. A
probe gets a certificate of its own. Nothing here decides anything about a message; `inbound.path` does.
"""
