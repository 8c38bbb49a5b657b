"""The names of all that can be measured: engines and their variants, peers, the roofline, and suites of them."""
