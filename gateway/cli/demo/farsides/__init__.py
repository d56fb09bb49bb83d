"""Far sides: partners' servers for tests and the demonstration, over real sockets with real certificates.

They read what comes by the gateway's own code, from the other side, and refuse what is not signed by
Försäkringskassan; they process each message once, however often it comes, and keep books of it; they answer as their
contracts have it. And they misbehave when a script says so.

    door      reads and proves what comes            replies   what is rightly answered
    books     what came, and what was processed      call      one message, and the ways to answer it
    line      TLS, and bytes                         acts      what may be done with it, one function each
    keys      certificates, right and wrong          table     what the gateway must make of each
    side      all of it: a far side with a script    foreseen  what must come of a script

What a far side does with an attempt, and what the gateway must make of it. All of `lose` is done both ways: the message
was processed, and (as `<name>_unprocessed`) it was not. After `postpone` and `lose` the same id is sent again.

    right                 answers                                    yes    answer    -
    partial               takes one record of two                    yes    answer    -
    waits                 takes it, a person there decides           yes    answer    -
    slow                  says nothing beyond the read limit         both   lose      GW-FAR-LOST
    dripping              answers beyond the total limit             both   lose      GW-FAR-LOST
    dropped               hangs up                                   both   lose      GW-FAR-LOST
    reset                 breaks the line                            both   lose      GW-FAR-LOST
    cut_short             hangs up within the answer                 both   lose      GW-FAR-LOST
    lost_behind           504                                        both   lose      GW-FAR-LOST
    too_large             answers without end                        both   lose      GW-FAR-TOO-LARGE
    wrong_signature       changes what was signed                    both   lose      GW-FAR-UNPROVEN
    wrong_value           spoils the signature's value               both   lose      GW-FAR-UNPROVEN
    unsigned              answers without a signature                both   lose      GW-FAR-UNPROVEN
    other_signer          is signed for by another partner           both   lose      GW-FAR-UNPROVEN
    stale                 signed an hour ago                         both   lose      GW-FAR-UNPROVEN
    unrelated             answers no message                         both   lose      GW-FAR-UNPROVEN
    other_message         RelatesTo another message                  both   lose      GW-FAR-OTHER
    other_receipt         receipt for another message                both   lose      GW-FAR-OTHER
    other_content         receipt for other content                  both   lose      GW-FAR-OTHER
    garbage               bytes that are no XML                      both   lose      GW-FAR-GARBLED
    page                  200 with a web page                        both   lose      GW-FAR-GARBLED
    page_500              500 with a web page                        both   lose      GW-FAR-GARBLED
    right_as_500          a right answer as 500                      both   lose      GW-FAR-FAULT
    server_fault          Server fault without more                  both   lose      GW-FAR-FAULT
    typed_server_fault    Server fault with Navet's Felkod           both   lose      GW-FAR-FAULT
    page_404              404 with a web page                        no     postpone  GW-FAR-ADDRESS
    redirect              307                                        no     postpone  GW-FAR-ADDRESS
    busy                  503 with Retry-After                       no     postpone  GW-FAR-BUSY
    refused_at_the_door   our own format: signature not accepted     no     postpone  GW-FAR-BUSY
    cannot_now            our own format: resend                     no     postpone  GW-FAR-BUSY
    not_for_this_host     TLS certificate for another host           no     postpone  GW-FAR-UNTRUSTED
    other_organisation    TLS certificate of another organisation    no     postpone  GW-FAR-UNTRUSTED
    hung_up               ends the connection before TLS             no     postpone  GW-FAR-UNREACHABLE
    client_fault          Client fault without more                  no     refuse    GW-FAR-REFUSED
    typed_fault           Client fault with Navet's Felkod           no     refuse    GW-FAR-REFUSED
    refused_for_good      our own format: contract broken            no     refuse    GW-FAR-REFUSED
    refusal               receipt in HTTP 200 that takes nothing     no     refuse    GW-FAR-REFUSED
    breaks_schema         leaves out what the contract needs         yes    spoil     GW-FAR-UNUSABLE
    other_person          answers about somebody else                yes    spoil     GW-FAR-UNUSABLE
"""

from __future__ import annotations

from gateway.cli.demo.farsides.door import Door
from gateway.cli.demo.farsides.foreseen import Foreseen, foresee
from gateway.cli.demo.farsides.keys import Keys
from gateway.cli.demo.farsides.replies import Register
from gateway.cli.demo.farsides.side import FarSide
from gateway.cli.demo.farsides.table import ACTS, Act

__all__ = ["ACTS", "Act", "Door", "FarSide", "Foreseen", "Keys", "Register", "foresee"]
