"""HTTP and TLS, both ways: to us and from us.

In: bytes from a partner's connection to `Received`, and an answer or a SOAP fault back.

    tls          both sides of mutual TLS                 protocol   one connection: peer certificate, time limits
    front        the message address                      body       headers and body of one request, within limits
    description  WSDL and XSD                             reply      what goes back, faults among it
    health       live and ready                           server     uvicorn in this process; workers: in several
    desk         partners' mailboxes                      door       auditors' and citizens' portals' own listeners

Nobody speaks to the gateway without a client certificate: health and contracts are served on the same listener. A
probe gets a certificate of its own. Nothing here decides anything about a message; `inbound.path` does.

Out: `Signed` to a partner's server, and what came back, unjudged; `outbound.path` judges it.

    courier      one attempt, kept connections            bodies     zeep, from local WSDL
    connection   TLS, and what is certain                 answer     one HTTP answer, within limits
"""
