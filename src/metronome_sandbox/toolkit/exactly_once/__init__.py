"""``metronome-sandbox check --exactly-once``: does every call of a client happen once, whatever the network does?

The client's own tests are run undisturbed, and then again and again. In each further run of pytest every test has one
of its mutating calls disturbed, its first one, then its second one and so on, each in every way (:mod:`.faults`). A run
is a process of its own, so a test sees nothing of the others; since nearly all of its time is a client that waits
before it repeats a call, several go side by side. What the tenant of a test has in the end is compared with what it has
when nothing goes wrong (:mod:`.worlds`), and the difference says what happened (:mod:`.judgement`).
"""
