"""Measures how close the hub comes to the tightest program that does the same job.

    python -m tools.bench [NAME…] [--quick] [--full] [--json]

Machines differ and are noisy, so every goal is a ratio to a *floor* measured in the same run: a hand-written program
with the same durability and nothing else. A run whose rows are wrong counts as failed, whatever its time.

| file | what it holds |
|---|---|
| `initial_sync`, `record_cost`, `resync`, `webhooks`, `merging`, `growth` | one scenario each |
| `floors/` | the hand-written programs |
| `programs` | everything that is measured, each in a process of its own |
| `vendor`, `people`, `connector` | the system on both ends, its records, and how the hub speaks to it |
| `stage`, `meter` | the database, the vendors' processes, CPU and memory |
| `outcome`, `table` | what was found, and how it is told |
"""
