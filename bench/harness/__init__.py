# SPDX-License-Identifier: MIT
"""What bench/run is made of: the machine, the origin server, the daemon, its peers, the cases, the report."""
