"""What every customer of an API here shares: a host that is asked, and what may be printed of its answers."""
