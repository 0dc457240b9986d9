"""``metronome-sandbox demo``: a customer with the official SDK plays the guide "Import existing invoices".

Acme Inc was billed elsewhere in June and July 2024 and moves to the sandbox on 15 August. The demo previews its old
invoices, holds them against what was billed, imports them and shows what else has moved; a second tenant imports by day
and by hour. Each figure that is shown is checked as well: a demo that only looks right is worse than none.

Nothing here imports the server. It is started as a process of its own and reached by HTTP, as any customer reaches it.
"""

from metronome_sandbox.demo.performance import run
from metronome_sandbox.demo.server import client_of, running

__all__ = ["client_of", "run", "running"]
