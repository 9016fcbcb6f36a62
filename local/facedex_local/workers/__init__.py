"""What AWS runs beside requests: queues, the event source mapping, worker processes, sweeps."""
