"""What is measured, by name: engines and their variants, peers, the roofline, and the suites that combine them."""
