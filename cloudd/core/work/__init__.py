"""What running long work needs: the queue of jobs, who waits for which event, deadlines, threads that may hang."""
